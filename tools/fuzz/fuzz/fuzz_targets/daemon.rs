//! See the target of this name in chat-fuzz.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_fuzz::run("daemon", bytes));
