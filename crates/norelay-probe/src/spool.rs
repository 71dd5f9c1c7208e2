//! The spool: a file that joins a receiver that runs on its own (`norelay receive`) to tests that
//! run elsewhere.
//!
//! It is an event log: a line of JSON for each receipt, as in every log of norelay, so `norelay
//! replay` reads it too.
//!
//! Rules:
//! - One receiver writes, at the end only. A receipt is on the disk before its sender is told so.
//! - A line that was torn by a crash or a full disk is closed before the next, and is nobody's
//!   evidence.
//! - Receipts that are all kept elsewhere too ([`Spool::settle`]) are cut off, so that the file
//!   doesn't grow for ever.
//! - Where nobody says so, what has grown to half of [`MAX_SPOOL`] is laid aside
//!   ([`Spool::rotating`]) in the place of what was laid aside before: the oldest receipts go, and
//!   none that comes is refused. Whoever follows reads both.
//! - Whoever follows takes whole lines only, bounded, and only receipts whose forward-path carries
//!   a genuine token of its own run: a spool that somebody else wrote to proves nothing.

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

/// How big a spool may grow, in octets, with what is laid aside: room for half a million receipts
/// of the usual size.
pub const MAX_SPOOL: u64 = 1 << 30;
/// A receipt with the longest `Received` chain that core keeps has some 400 kB as JSON.
const MAX_LINE: usize = 1 << 20;
/// What is read at once.
const PORTION: u64 = 1 << 18;
/// How often the file is looked at.
const POLL: Duration = Duration::from_millis(250);
/// Receipts that wait for the run that follows.
const MAX_AWAITED: usize = 256;

/// The writing end.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
    state: Mutex<SpoolFile>,
}

#[derive(Debug)]
struct SpoolFile {
    file: File,
    /// Whether the last line has no end.
    is_torn: bool,
    /// Receipts in the file that nobody has said to keep elsewhere.
    unsettled: usize,
    /// How long the file may grow, in octets, until it is laid aside; otherwise it is full at
    /// [`MAX_SPOOL`].
    rotates_at: Option<u64>,
}

impl Spool {
    /// Opens a spool for writing; makes the file if there is none.
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
        // What is there from before stays: nobody here knows who has it.
        let unsettled = usize::from(file.metadata().map_err(complain)?.len() > 0);
        let state = SpoolFile { file, is_torn, unsettled, rotates_at: None };
        Ok(Self { path: path.to_owned(), state: Mutex::new(state) })
    }

    /// The same spool, which is laid aside as `….old` when it is longer than so many octets, and
    /// begun anew.
    #[must_use]
    pub fn rotating(self, at: u64) -> Self {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .rotates_at = Some(at);
        self
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends receipts, and returns when they are on the disk.
    ///
    /// # Errors
    /// The operating system's; whole lines that were written before it stay.
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
            // Where the folder can't be written, the file goes on until it is full.
            drop(state.rotate(&self.path));
        }
        state.write(lines)?;
        state.unsettled += receipts.len();
        Ok(())
    }

    /// So many of the receipts that were appended are kept elsewhere, or their senders were told to
    /// come again. When this is true of all, the file begins anew.
    ///
    /// # Errors
    /// The operating system's; the file has what it had.
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

/// The file that a spool lays aside.
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
    /// Lays the file aside and begins another one. Whenever it is interrupted, what was kept is in
    /// one of both places.
    fn rotate(&mut self, path: &Path) -> io::Result<()> {
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
        File::open(folder)?.sync_all()?;
        (self.file, self.is_torn) = (file, false);
        Ok(())
    }

    fn write(&mut self, mut lines: Vec<u8>) -> io::Result<()> {
        if self.file.metadata()?.len() > MAX_SPOOL {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        if self.is_torn {
            lines.insert(0, b'\n');
        }
        let written = self.file.write_all(&lines);
        self.is_torn = written.is_err();
        written?;
        self.file.sync_data()
    }
}

fn ends_midway(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Follows a spool: the receipts of one run, those that are there and those that come, until the
/// end that is given is dropped. `key` is the run's. To be called within a tokio runtime.
///
/// # Errors
/// One sentence: the spool can't be read. Trouble later on (a mount that goes away for a while) is
/// waited out.
pub fn follow(path: &Path, run: RunId, key: TokenKey) -> io::Result<mpsc::Receiver<Receipt>> {
    probe(path)?;
    let (sender, receiver) = mpsc::channel(MAX_AWAITED);
    tokio::spawn(feed(SpoolFollower::new(path.to_owned(), run, key), sender));
    Ok(receiver)
}

/// Whether a spool can be read.
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

/// Device and inode.
type FileId = (u64, u64);

fn id(file: &File) -> io::Result<FileId> {
    file.metadata().map(|data| (data.dev(), data.ino()))
}

/// The reading end: how far it has come.
struct SpoolFollower {
    path: PathBuf,
    run: RunId,
    key: TokenKey,
    /// The file that was read last, and how far.
    file: Option<FileId>,
    offset: u64,
    /// A line whose end has not come; empty where it is too long to be one.
    line: Vec<u8>,
    is_overlong: bool,
}

impl SpoolFollower {
    fn new(path: PathBuf, run: RunId, key: TokenKey) -> Self {
        Self { path, run, key, file: None, offset: 0, line: Vec::new(), is_overlong: false }
    }

    /// The run's receipts among what was written since the last step.
    fn step(&mut self) -> io::Result<Vec<Receipt>> {
        let file = File::open(&self.path)?;
        let current = id(&file)?;
        let mut receipts = Vec::new();
        if self.file != Some(current)
            && let Ok(aside) = File::open(laid_aside(&self.path))
            // The one that was read so far, or at the beginning any.
            && id(&aside).is_ok_and(|aside| self.file.unwrap_or(aside) == aside && aside != current)
        {
            receipts = self.rest_of(&aside)?;
            self.begin_anew();
        }
        self.file = Some(current);
        if file.metadata()?.len() < self.offset {
            // A new file in the place of the old one.
            self.begin_anew();
        }
        receipts.extend(self.rest_of(&file)?);
        Ok(receipts)
    }

    fn begin_anew(&mut self) {
        (self.offset, self.is_overlong) = (0, false);
        self.line.clear();
    }

    /// What stands in a file from where reading has come to.
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
