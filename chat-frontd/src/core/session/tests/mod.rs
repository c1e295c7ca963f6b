//! Whole dialogues against a daemon of the tests.

mod counted;
mod daemon;
mod talk;

mod delivering;
mod endings;
mod idle;
mod json_lines;
mod lists;
mod lost;
mod paced;
mod parked;
mod random;
mod resumed;
mod sentences;
