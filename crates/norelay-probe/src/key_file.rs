//! The key file: the secret that a receiver and the tests that it serves share.
//!
//! The file has one line: 32 random octets in hexadecimal digits.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use norelay_core::token::TokenKey;

/// Octets of a key file, which has 65. More blanks around the key are accepted.
const MAX_FILE: u64 = 1024;
/// Octets of a file of other secrets: hundreds of lines.
const MAX_TEXT: u64 = 64 * 1024;

/// Reads a key file.
///
/// # Errors
/// One sentence: the file can't be read, everybody can read it, or it holds no key.
pub fn read(path: &Path) -> io::Result<TokenKey> {
    let wrong =
        || complaint(io::ErrorKind::InvalidData, path, "it holds no key of 64 hexadecimal digits");
    let text = read_bounded(path, MAX_FILE, "there is no such file; `norelay receive` makes it")?;
    decode(text.trim()).map(TokenKey::new).ok_or_else(wrong)
}

/// Reads a file of secrets of another kind, such as the keys of blacklists.
///
/// # Errors
/// One sentence: the file can't be read, or everybody can read it.
pub fn read_text(path: &Path) -> io::Result<String> {
    read_bounded(path, MAX_TEXT, "there is no such file")
}

fn read_bounded(path: &Path, limit: u64, if_missing: &str) -> io::Result<String> {
    let file = File::open(path).map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => if_missing.to_owned(),
            _ => error.to_string(),
        };
        complaint(error.kind(), path, &why)
    })?;
    refuse_if_public(&file, path)?;
    let mut text = String::new();
    let read = file.take(limit).read_to_string(&mut text);
    read.map_err(|error| complaint(error.kind(), path, &error.to_string()))?;
    Ok(text)
}

/// Reads a key file. Makes the file, for its owner only, if there is none. Returns the key, and
/// true if the file was made.
///
/// # Errors
/// As [`read`], or one sentence: the file can't be made.
pub fn read_or_make(path: &Path) -> io::Result<(TokenKey, bool)> {
    let mut options = File::options();
    // `create_new` fails if the file exists, so two processes never make two different keys.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok((read(path)?, false)),
        Err(error) => Err(complaint(error.kind(), path, &error.to_string())),
        Ok(mut file) => {
            let octets: [u8; 32] = rand::random();
            let written = writeln!(file, "{}", encode(&octets)).and_then(|()| file.sync_all());
            written.map_err(|error| complaint(error.kind(), path, &error.to_string()))?;
            Ok((TokenKey::new(octets), true))
        }
    }
}

fn complaint(kind: io::ErrorKind, path: &Path, why: &str) -> io::Error {
    io::Error::new(kind, format!("The key file {} can't be used: {why}.", path.display()))
}

/// Rejects a file that every user of the machine can read: its content is no secret. A group may
/// share the file.
#[cfg(unix)]
fn refuse_if_public(file: &File, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    match file.metadata()?.permissions().mode() & 0o006 {
        0 => Ok(()),
        _ => Err(complaint(
            io::ErrorKind::PermissionDenied,
            path,
            "everybody can read it; say chmod 600",
        )),
    }
}

#[cfg(not(unix))]
fn refuse_if_public(_: &File, _: &Path) -> io::Result<()> {
    Ok(())
}

fn encode(octets: &[u8; 32]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn decode(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let octets = pairs
        .iter()
        .map(|[high, low]| Some(digit_value(*high)? << 4 | digit_value(*low)?))
        .collect::<Option<Vec<_>>>()?;
    octets.try_into().ok().filter(|_| rest.is_empty())
}

/// Returns the value of a hexadecimal digit.
fn digit_value(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_and_read() {
        let octets = std::array::from_fn(|index| index as u8 * 7);
        assert_eq!(decode(&encode(&octets)), Some(octets));
        assert_eq!(decode(&encode(&octets).to_uppercase()), Some(octets));
        for text in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(32)]
        {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
