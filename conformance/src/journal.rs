//! The system log of an instance.
//!
//! The servers log to `/dev/log` as on any Debian; the suite listens there itself, so no
//! log daemon has to be installed beside a server and change what is measured.

use std::fs::File;
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::thread;

use crate::failure::{Doing, Outcome};

/// The longest line that is kept, in bytes; longer ones are cut by the kernel.
const LINE_LIMIT: usize = 8192;

/// Writes all that is said on a log socket into a file, for as long as the suite lives.
pub fn listen(socket: &Path, file: &Path) -> Outcome<()> {
    if let Some(folder) = socket.parent() {
        std::fs::create_dir_all(folder).doing(|| format!("make {}", folder.display()))?;
    }
    let listener =
        UnixDatagram::bind(socket).doing(|| format!("listen on {}", socket.display()))?;
    let open_to_all = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(socket, open_to_all)
        .doing(|| format!("open {} to all", socket.display()))?;
    let mut log = File::options()
        .create(true)
        .append(true)
        .open(file)
        .doing(|| format!("open {}", file.display()))?;
    thread::spawn(move || {
        let mut line = [0; LINE_LIMIT];
        while let Ok(length) = listener.recv(&mut line) {
            let text = String::from_utf8_lossy(&line[..length]);
            if writeln!(log, "{}", text.trim_end_matches(['\n', '\0'])).is_err() {
                break;
            }
        }
    });
    Ok(())
}
