//! How JSON is written here: indented by two spaces, lists within lists on one line, and every
//! string harmless in a terminal even after its JSON escapes have been undone.

use std::io::{Result, Write};

use serde_json::ser::{CharEscape, Formatter};

use norelay_core::octets::harmless;

/// A container that is being written.
#[derive(Clone, Copy, Debug)]
struct Container {
    /// True if its parts stand on lines of their own.
    spread: bool,
    is_list: bool,
    is_empty: bool,
}

/// Writes JSON for people; for [`serde_json::Serializer::with_formatter`].
#[derive(Debug, Default)]
pub struct Harmless {
    open: Vec<Container>,
}

impl Harmless {
    fn begin<W: Write + ?Sized>(&mut self, writer: &mut W, is_list: bool) -> Result<()> {
        let within = self.open.last();
        let spread = within.is_none_or(|within| within.spread && !(is_list && within.is_list));
        self.open
            .push(Container { spread, is_list, is_empty: true });
        writer.write_all(if is_list { b"[" } else { b"{" })
    }

    fn part<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> Result<()> {
        let depth = self.open.len();
        let Some(within) = self.open.last_mut() else { return Ok(()) };
        within.is_empty = false;
        match (first, within.spread) {
            (true, false) => Ok(()),
            (false, false) => writer.write_all(b", "),
            (true, true) => new_line(writer, depth),
            (false, true) => writer
                .write_all(b",")
                .and_then(|()| new_line(writer, depth)),
        }
    }

    fn end<W: Write + ?Sized>(&mut self, writer: &mut W) -> Result<()> {
        let Some(ended) = self.open.pop() else { return Ok(()) };
        if ended.spread && !ended.is_empty {
            new_line(writer, self.open.len())?;
        }
        writer.write_all(if ended.is_list { b"]" } else { b"}" })
    }
}

fn new_line<W: Write + ?Sized>(writer: &mut W, depth: usize) -> Result<()> {
    writer.write_all(b"\n")?;
    (0..depth).try_for_each(|_| writer.write_all(b"  "))
}

impl Formatter for Harmless {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> Result<()> {
        // A fragment holds no backslash (that is an escape of its own), so those in the harmless
        // text are ours.
        writer.write_all(harmless(fragment).replace('\\', "\\\\").as_bytes())
    }

    fn write_char_escape<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> Result<()> {
        let control = match escape {
            CharEscape::Quote => return writer.write_all(b"\\\""),
            CharEscape::ReverseSolidus => return writer.write_all(b"\\\\"),
            CharEscape::Solidus => return writer.write_all(b"/"),
            CharEscape::Backspace => 0x08,
            CharEscape::FormFeed => 0x0c,
            CharEscape::LineFeed => 0x0a,
            CharEscape::CarriageReturn => 0x0d,
            CharEscape::Tab => 0x09,
            CharEscape::AsciiControl(control) => control,
        };
        write!(writer, "\\\\x{control:02x}")
    }

    fn begin_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> Result<()> {
        self.begin(writer, true)
    }

    fn end_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> Result<()> {
        self.end(writer)
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> Result<()> {
        self.part(writer, first)
    }

    fn begin_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> Result<()> {
        self.begin(writer, false)
    }

    fn end_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> Result<()> {
        self.end(writer)
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> Result<()> {
        self.part(writer, first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::{Serializer, Value, json};

    use super::*;

    fn written(value: &Value) -> String {
        let mut octets = Vec::new();
        value
            .serialize(&mut Serializer::with_formatter(&mut octets, Harmless::default()))
            .expect("keys are strings");
        String::from_utf8(octets).expect("JSON is UTF-8")
    }

    #[test]
    fn json_is_set_for_reading() {
        let value = json!({"a": [], "b": {}, "c": [1, 2], "d": [["C", "x"], ["S", ["y"]]], "e": [{"f": null}]});
        let expected = r#"{
  "a": [],
  "b": {},
  "c": [
    1,
    2
  ],
  "d": [
    ["C", "x"],
    ["S", ["y"]]
  ],
  "e": [
    {
      "f": null
    }
  ]
}"#;
        assert_eq!(written(&value), expected);
        assert_eq!(serde_json::from_str::<Value>(expected).ok(), Some(value));
    }

    #[test]
    fn strings_are_harmless() {
        for (text, expected) in [
            ("plain \"quoted\" \\ / Grüße", "plain \"quoted\" \\ / Grüße"),
            ("\x1b[31m\r\n\t\0\x7f", "\\x1b[31m\\x0d\\x0a\\x09\\x00\\x7f"),
            ("\u{9b}31m \u{202e}gnp", "\\xc2\\x9b31m \\xe2\\x80\\xaegnp"),
        ] {
            let read: Value = serde_json::from_str(&written(&json!(text))).expect("it is JSON");
            assert_eq!(read, expected);
        }
    }
}
