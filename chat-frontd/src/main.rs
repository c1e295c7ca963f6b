//! chat-frontd
fn main() {}
