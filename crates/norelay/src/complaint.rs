//! Why a command can't do what it was asked.

/// A command that can't do what it was asked: one sentence, and the exit code.
#[derive(Debug)]
pub struct Complaint {
    /// The exit code.
    pub code: u8,
    /// The sentence.
    pub sentence: String,
}

impl Complaint {
    /// The user typed something that can't be.
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self { code: 3, sentence: sentence.into() }
    }

    /// Norelay itself failed.
    pub fn internal(sentence: impl Into<String>) -> Self {
        Self { code: 5, sentence: sentence.into() }
    }
}

/// As much of what the user typed as a complaint repeats.
pub const SHOWN: usize = 60;

/// A text that the user typed, to be repeated: without control characters, which could act in the
/// terminal, and cut to so many characters.
pub fn shown(text: &str, most: usize) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(most)
        .collect()
}
