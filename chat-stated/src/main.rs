//! chat-stated
fn main() {}
