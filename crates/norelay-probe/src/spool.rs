//! The spool: a file through which a receiver in a process of its own (`norelay receive`) passes
//! receipts to tests in other processes.
//!
//! The spool is an event log: a line of JSON for each receipt, as in every log of norelay, so
//! `norelay replay` reads a spool, too.
//!
//! Rules:
//! - One receiver writes, at the end only. A receipt is on the disk before the client gets its 250.
//! - A line that was torn by a crash or a full disk is ended before the next line, and is no
//!   evidence.
//! - When all receipts are settled ([`Spool::settle`]), the file begins anew, so that it doesn't
//!   grow forever.
//! - A spool that nobody settles can be rotated ([`Spool::rotating`]). The file is laid aside in
//!   the place of the one laid aside before. The oldest receipts are lost, and no new receipt is
//!   rejected. A follower reads both files.
//! - A follower reads whole lines of bounded length. Only a receipt whose forward-path carries a
//!   genuine token of the follower's run counts, so a forged spool proves nothing.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use norelay_core::{
    event::{Event, Receipt, Record, VERSION},
    reception::is_genuine,
    token::{RunId, TokenKey},
};
use tokio::sync::mpsc;

/// How big a spool may grow, in octets, with the file laid aside: half a million receipts of the
/// usual size.
pub const MAX_SPOOL: u64 = 1 << 30;
/// A receipt with the longest `Received` chain that core keeps has some 400 kB as JSON.
const MAX_LINE: usize = 1 << 20;
/// Octets that are read at once.
const PORTION: u64 = 1 << 18;
/// How often a follower looks at the file.
const POLL: Duration = Duration::from_millis(250);
/// Receipts that wait for the run that follows.
const MAX_AWAITED: usize = 256;

/// The writing end of a spool.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
    state: Mutex<SpoolFile>,
}

/// The file that a spool writes to now.
#[derive(Debug)]
struct SpoolFile {
    file: File,
    /// True if the last line has no end.
    is_torn: bool,
    /// Receipts in the file that are not settled yet.
    unsettled: usize,
    /// The length in octets at which the file is laid aside. Without this, the file is full at
    /// [`MAX_SPOOL`].
    rotates_at: Option<u64>,
}

impl Spool {
    /// Opens a spool for writing. Makes the file if there is none.
    ///
    /// # Errors
    /// One sentence: the file can't be written, or another receiver writes to it.
    pub fn open(path: &Path) -> io::Result<Self> {
        let complain = |error: io::Error| {
            io::Error::new(
                error.kind(),
                format!("The spool {} can't be written: {error}.", path.display()),
            )
        };
        let mut file = appending(path).map_err(complain)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            let sentence = format!("The spool {} is in use by another receiver.", path.display());
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, sentence));
        }
        let is_torn = ends_midway(&mut file).map_err(complain)?;
        // Receipts of an earlier process are never settled, so they count as one that stays.
        let unsettled = usize::from(file.metadata().map_err(complain)?.len() > 0);
        let state = SpoolFile { file, is_torn, unsettled, rotates_at: None };
        Ok(Self { path: path.to_owned(), state: Mutex::new(state) })
    }

    /// Returns the same spool, but its file is laid aside as `….old` once it is longer than so many
    /// octets, and a new file is begun.
    #[must_use]
    pub fn rotating(self, at: u64) -> Self {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .rotates_at = Some(at);
        self
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends receipts, and returns when they are on the disk.
    ///
    /// # Errors
    /// Those of the operating system. Whole lines that were written before the error stay.
    pub fn append(&self, receipts: &[Receipt]) -> io::Result<()> {
        if receipts.is_empty() {
            return Ok(());
        }
        let now = Timestamp::now();
        let mut lines = Vec::new();
        for receipt in receipts {
            serde_json::to_writer(&mut lines, &Record::new(now, Event::Received(receipt.clone())))?;
            lines.push(b'\n');
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state
            .rotates_at
            .is_some_and(|at| state.file.metadata().is_ok_and(|data| data.len() > at))
        {
            // A new file needs a writable folder. Without one, the old file is used until it is
            // full.
            drop(state.rotate(&self.path));
        }
        state.write(lines)?;
        state.unsettled += receipts.len();
        Ok(())
    }

    /// Settles so many receipts: their subscribers keep them, or their clients will send them
    /// again. When all receipts are settled, the file begins anew.
    ///
    /// # Errors
    /// Those of the operating system. The file is unchanged then.
    pub fn settle(&self, receipts: usize) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.unsettled = state.unsettled.saturating_sub(receipts);
        if receipts > 0 && state.unsettled == 0 {
            state.file.set_len(0)?;
            state.is_torn = false;
        }
        Ok(())
    }
}

/// Returns the path of the file that a spool lays aside.
#[must_use]
pub fn laid_aside(path: &Path) -> PathBuf {
    beside(path, "old")
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

fn appending(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
}

impl SpoolFile {
    /// Lays the file aside and begins a new file. After a crash at any point, all receipts are in
    /// one of the two files.
    fn rotate(&mut self, path: &Path) -> io::Result<()> {
        // The new file is locked before it gets the name, so no other receiver can open it between.
        let coming = beside(path, "new");
        let file = appending(&coming)?;
        file.set_len(0)?;
        file.lock()?;
        fs::rename(path, laid_aside(path))?;
        fs::rename(coming, path)?;
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        // A rename is on the disk only when its folder is.
        File::open(folder)?.sync_all()?;
        (self.file, self.is_torn) = (file, false);
        Ok(())
    }

    fn write(&mut self, mut lines: Vec<u8>) -> io::Result<()> {
        if self.file.metadata()?.len() > MAX_SPOOL {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        // Ends the torn line, so that it spoils no line but itself.
        if self.is_torn {
            lines.insert(0, b'\n');
        }
        let written = self.file.write_all(&lines);
        self.is_torn = written.is_err();
        written?;
        self.file.sync_data()
    }
}

/// True if the last line of a file has no end.
fn ends_midway(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Follows a spool. Returns the receipts of one run, both old and new, until the caller drops the
/// channel. `key` is the run's key. Needs a tokio runtime.
///
/// # Errors
/// One sentence: the spool can't be read. Later errors (such as a mount that goes away for a while)
/// are waited out.
pub fn follow(path: &Path, run: RunId, key: TokenKey) -> io::Result<mpsc::Receiver<Receipt>> {
    probe(path)?;
    let (sender, receiver) = mpsc::channel(MAX_AWAITED);
    tokio::spawn(feed(SpoolFollower::new(path.to_owned(), run, key), sender));
    Ok(receiver)
}

/// Checks that a spool can be read.
///
/// # Errors
/// One sentence: the spool can't be read.
pub(crate) fn probe(path: &Path) -> io::Result<()> {
    let complain = |error: io::Error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => {
                "there is no such file; start `norelay receive` with this spool first".to_owned()
            }
            _ => error.to_string(),
        };
        io::Error::new(error.kind(), format!("The spool {} can't be read: {why}.", path.display()))
    };
    File::open(path).map(drop).map_err(complain)
}

/// Looks at the spool again and again, and sends the receipts to the caller.
async fn feed(mut follower: SpoolFollower, sender: mpsc::Sender<Receipt>) {
    let mut ticks = tokio::time::interval(POLL);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = sender.closed() => return,
        }
        let stepping = tokio::task::spawn_blocking(move || {
            let receipts = follower.step();
            (follower, receipts)
        });
        let Ok((after, receipts)) = stepping.await else { return };
        follower = after;
        for receipt in receipts.unwrap_or_default() {
            if sender.send(receipt).await.is_err() {
                return;
            }
        }
    }
}

/// Device and inode: tells a new file from the old file under the same name.
type FileId = (u64, u64);

fn id(file: &File) -> io::Result<FileId> {
    file.metadata().map(|data| (data.dev(), data.ino()))
}

/// The reading end of a spool, and how far it has read.
struct SpoolFollower {
    path: PathBuf,
    run: RunId,
    key: TokenKey,
    /// The file that was read last.
    file: Option<FileId>,
    /// How many octets of that file have been read.
    offset: u64,
    /// A line whose end has not come yet. Empty if the line is overlong.
    line: Vec<u8>,
    /// True if the line is longer than [`MAX_LINE`] and is skipped up to its end.
    is_overlong: bool,
}

impl SpoolFollower {
    fn new(path: PathBuf, run: RunId, key: TokenKey) -> Self {
        Self { path, run, key, file: None, offset: 0, line: Vec::new(), is_overlong: false }
    }

    /// Returns the run's receipts among the lines that were written since the last step.
    fn step(&mut self) -> io::Result<Vec<Receipt>> {
        let file = File::open(&self.path)?;
        let current = id(&file)?;
        let mut receipts = Vec::new();
        if self.file != Some(current)
            && let Ok(aside) = File::open(laid_aside(&self.path))
            // The file that was read so far, or any file laid aside at the first step.
            && id(&aside).is_ok_and(|aside| self.file.unwrap_or(aside) == aside && aside != current)
        {
            receipts = self.rest_of(&aside)?;
            self.begin_anew();
        }
        self.file = Some(current);
        if file.metadata()?.len() < self.offset {
            // The spool was settled and began anew.
            self.begin_anew();
        }
        receipts.extend(self.rest_of(&file)?);
        Ok(receipts)
    }

    fn begin_anew(&mut self) {
        (self.offset, self.is_overlong) = (0, false);
        self.line.clear();
    }

    /// Returns the receipts in a file from the offset on.
    fn rest_of(&mut self, mut file: &File) -> io::Result<Vec<Receipt>> {
        let length = file.metadata()?.len();
        let mut receipts = Vec::new();
        file.seek(SeekFrom::Start(self.offset))?;
        while self.offset < length {
            let mut portion = Vec::new();
            self.offset += Read::take(file, PORTION).read_to_end(&mut portion)? as u64;
            if portion.is_empty() {
                break;
            }
            receipts.extend(portion.iter().filter_map(|octet| self.take(*octet)));
        }
        Ok(receipts)
    }

    fn take(&mut self, octet: u8) -> Option<Receipt> {
        if octet != b'\n' {
            self.is_overlong |= self.line.len() >= MAX_LINE;
            match self.is_overlong {
                true => self.line.clear(),
                false => self.line.push(octet),
            }
            return None;
        }
        self.is_overlong = false;
        let line = std::mem::take(&mut self.line);
        self.receipt_in(&line)
    }

    /// Returns the receipt in a line, if it is a genuine one of the run.
    fn receipt_in(&self, line: &[u8]) -> Option<Receipt> {
        match serde_json::from_slice(line).ok()? {
            Record { v: VERSION, event: Event::Received(receipt), .. } => {
                (receipt.token.run == self.run && is_genuine(&self.key, &receipt))
                    .then_some(receipt)
            }
            _ => None,
        }
    }
}
