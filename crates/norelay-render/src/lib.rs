//! A report in every format that people and programs read.
//!
//! Rules:
//! - A renderer judges nothing. Everything that it shows stands in the report or in the assessment.
//! - The same report gives the same octets: no clock, no locale, no terminal width.
//! - Nothing from the network can act in the medium where it is shown; each file says by what
//!   means.
//! - A format is one file and one line in [`Format`]'s table.
//! - A survey of DNS blacklists has formats of its own ([`survey`], [`survey_text`]).

pub mod csv;
pub mod delisting;
pub mod excerpt;
pub mod fix;
pub mod harmless_json;
pub mod html;
pub mod json;
pub mod json_lines;
pub mod junit;
pub mod markdown;
pub mod nagios;
pub mod row;
pub mod sarif;
pub mod survey;
pub mod survey_text;
pub mod text;
pub mod transcript;

use std::{fmt, str::FromStr};

use norelay_core::{assess::Assessment, report::Report};

/// How a report is shown, where a format leaves a choice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether text has styles.
    pub style: text::Style,
}

/// What each format is: a function that shows a report and its assessment.
type Renderer = fn(&Report, &Assessment, &Options) -> String;

macro_rules! formats {
    (
        $(
            $(#[$doc:meta])*
            $variant:ident $name:literal $media_type:literal $extension:literal $render:expr;
        )*
    ) => {
        /// A format of a report.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Format { $($(#[$doc])* $variant),* }

        impl Format {
            /// Every format.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name on the command line and in the API.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Its media type.
            #[must_use]
            pub fn media_type(self) -> &'static str {
                match self { $(Self::$variant => $media_type),* }
            }

            /// How a file of it ends, without the dot.
            #[must_use]
            pub fn extension(self) -> &'static str {
                match self { $(Self::$variant => $extension),* }
            }
        }

        /// A report in a format, ending with a line end.
        #[must_use]
        pub fn render(
            format: Format,
            report: &Report,
            assessment: &Assessment,
            options: &Options,
        ) -> String {
            let render: Renderer = match format { $(Format::$variant => $render),* };
            render(report, assessment, options)
        }
    };
}

formats! {
    /// For a terminal, without styles.
    Text "text" "text/plain; charset=utf-8" "txt" text::render;
    /// The promise to scripts.
    Json "json" "application/json" "json" json::render;
    /// A line a test, for spreadsheets.
    Csv "csv" "text/csv; charset=utf-8; header=present" "csv" csv::render;
    /// For continuous integration.
    Junit "junit" "application/xml" "xml" junit::render;
    /// For code scanning.
    Sarif "sarif" "application/sarif+json" "sarif" sarif::render;
    /// For issues, tickets and chats.
    Markdown "markdown" "text/markdown; charset=utf-8" "md" markdown::render;
    /// One self-contained page.
    Html "html" "text/html; charset=utf-8" "html" html::render;
    /// A monitoring plugin's line.
    Nagios "nagios" "text/plain; charset=utf-8" "txt" nagios::render;
}

/// The text names no format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAFormat(pub String);

impl fmt::Display for NotAFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Format::ALL.iter().map(|format| format.name()).collect();
        write!(f, "`{}` is no format; there are {}", self.0.escape_debug(), names.join(", "))
    }
}

impl std::error::Error for NotAFormat {}

impl FromStr for Format {
    type Err = NotAFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL
            .iter()
            .find(|format| format.name().eq_ignore_ascii_case(text));
        found.copied().ok_or_else(|| NotAFormat(text.to_owned()))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_name() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(*format));
            assert_eq!(format.to_string().to_uppercase().parse(), Ok(*format));
        }
        let error = "pdf\n"
            .parse::<Format>()
            .expect_err("there is no such format")
            .to_string();
        assert_eq!(
            error,
            "`pdf\\n` is no format; there are text, json, csv, junit, sarif, markdown, html, nagios"
        );
    }
}
