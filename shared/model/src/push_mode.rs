//! When messages come to a reader, and what counts as having read them.

/// Whether messages are sent without being asked for, and what confirms those.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PushMode {
    /// They come with answers only. A line of the reader's confirms them.
    #[default]
    Off,
    /// They come at once. A connection that stays healthy for a second after the acknowledgement confirms them, too.
    On,
    /// They come at once. Only a line of the reader's confirms them.
    Ack,
}

impl PushMode {
    /// Whether messages come without being asked for.
    pub fn is_on(self) -> bool {
        self != Self::Off
    }
}
