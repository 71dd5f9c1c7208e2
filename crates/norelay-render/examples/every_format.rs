//! Writes the report of each event log in every format: `every_format DIRECTORY LOG…` makes
//! `DIRECTORY/LOG-NAME.EXTENSION`.

use std::{error::Error, fs, path::Path};

use norelay_core::{assess, replay::read_log, report::Report};
use norelay_render::{Format, Options, render};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments
        .next()
        .ok_or("usage: every_format DIRECTORY LOG…")?;
    let directory = Path::new(&directory);
    fs::create_dir_all(directory)?;
    for log in arguments {
        let report = Report::of(&read_log(&fs::read_to_string(&log)?).records);
        let assessment = assess::assess(&report);
        let name = Path::new(&log)
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        for format in Format::ALL {
            let file = directory.join(format!("{name}-{format}.{}", format.extension()));
            fs::write(file, render(*format, &report, &assessment, &Options::default()))?;
        }
    }
    Ok(())
}
