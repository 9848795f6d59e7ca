//! The files of segments, in a directory or in memory.
//!
//! A file is written beside its place, synced, renamed into it, and the directory synced: at no
//! moment is there half a segment under its name, whatever is killed.

use super::dir::{make_dir, sync_dir};
use crate::chain::hex;
use crate::port::{Fault, SegmentFile, SegmentFiles, SegmentName};
use crate::worker::blocking;
use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of an index's hash that are in a file's name.
const NAMED: usize = 8;

/// Segments in a directory.
#[derive(Debug, Clone)]
pub struct SegmentDir {
    dir: PathBuf,
}

impl SegmentDir {
    /// Those of a directory, which need not exist.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        let dir = dir.to_owned();
        Self { dir }
    }

    /// Where a segment stands.
    #[must_use]
    pub fn path(&self, name: SegmentName) -> PathBuf {
        self.dir.join(file_name(name))
    }
}

/// The name of a segment's file.
#[must_use]
pub fn file_name(SegmentName { first, index }: SegmentName) -> String {
    format!("{}{}.zst", stem(first), hex(&index[..NAMED]))
}

/// How the names of files end that are not finished.
const BEGUN: &str = ".part";

/// How names of files begin, for a segment's first position.
fn stem(first: u64) -> String {
    format!("log-{first:016}-")
}

/// Removes what was begun of a segment. Whoever still writes it finds it gone when it finishes.
fn remove_begun(dir: &Path, first: u64) -> std::io::Result<()> {
    let start = stem(first);
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let of_it = |name: &str| name.starts_with(&start) && name.ends_with(BEGUN);
        if name.to_str().is_some_and(of_it) {
            match std::fs::remove_file(entry.path()) {
                // Another one removed it, or finished it.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
    }
    Ok(())
}

fn fault(error: std::io::Error) -> Fault {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Fault::DiskFull,
        _ => Fault::Unavailable(format!("a segment: {error}")),
    }
}

struct Writing {
    file: Arc<Mutex<File>>,
    dir: SegmentDir,
    aside: PathBuf,
}

#[async_trait]
impl SegmentFiles for SegmentDir {
    async fn begin(&self, first: u64, dice: [u8; 16]) -> Result<Box<dyn SegmentFile>, Fault> {
        let dir = self.clone();
        blocking(move || {
            make_dir(&dir.dir).map_err(fault)?;
            remove_begun(&dir.dir, first).map_err(fault)?;
            let aside = format!("{}{}{BEGUN}", stem(first), hex(&dice));
            let aside = dir.dir.join(aside);
            let file = File::create_new(&aside).map_err(fault)?;
            let file = Arc::new(Mutex::new(file));
            Ok(Box::new(Writing { file, dir, aside }) as Box<dyn SegmentFile>)
        })
        .await
    }

    async fn size(&self, name: SegmentName) -> Result<Option<u64>, Fault> {
        let path = self.path(name);
        blocking(move || match std::fs::metadata(&path) {
            Ok(known) => Ok(Some(known.len())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fault(error)),
        })
        .await
    }

    async fn read(
        &self,
        name: SegmentName,
        from: u64,
        length: u32,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let path = self.path(name);
        blocking(move || {
            let mut file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(fault(error)),
            };
            file.seek(SeekFrom::Start(from)).map_err(fault)?;
            let mut bytes = Vec::new();
            let mut part = file.take(u64::from(length));
            part.read_to_end(&mut bytes).map_err(fault)?;
            Ok(Some(bytes))
        })
        .await
    }

    async fn remove(&self, name: SegmentName) -> Result<(), Fault> {
        let path = self.path(name);
        blocking(move || match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(fault(error)),
            Ok(()) | Err(_) => Ok(()),
        })
        .await
    }
}

#[async_trait]
impl SegmentFile for Writing {
    async fn append(&mut self, bytes: Vec<u8>) -> Result<(), Fault> {
        let file = Arc::clone(&self.file);
        blocking(move || file.lock().write_all(&bytes).map_err(fault)).await
    }

    async fn finish(self: Box<Self>, name: SegmentName) -> Result<(), Fault> {
        blocking(move || {
            let Self { file, dir, aside } = *self;
            let unsynced = |error: std::io::Error| Fault::Unavailable(error.to_string());
            file.lock().sync_all().map_err(unsynced)?;
            std::fs::rename(&aside, dir.path(name)).map_err(fault)?;
            sync_dir(&dir.dir).map_err(unsynced)
        })
        .await
    }
}

type Files = BTreeMap<SegmentName, Vec<u8>>;

/// Segments in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct SegmentMemory {
    files: Arc<Mutex<Files>>,
}

impl SegmentMemory {
    /// Changes files behind everybody's back, for tests of what must then be noticed.
    pub fn edit<T>(&self, edit: impl FnOnce(&mut Files) -> T) -> T {
        edit(&mut self.files.lock())
    }
}

struct Aside {
    files: Arc<Mutex<Files>>,
    bytes: Vec<u8>,
}

#[async_trait]
impl SegmentFiles for SegmentMemory {
    async fn begin(&self, _: u64, _: [u8; 16]) -> Result<Box<dyn SegmentFile>, Fault> {
        let (files, bytes) = (Arc::clone(&self.files), Vec::new());
        Ok(Box::new(Aside { files, bytes }))
    }

    async fn size(&self, name: SegmentName) -> Result<Option<u64>, Fault> {
        Ok(self.files.lock().get(&name).map(|file| file.len() as u64))
    }

    async fn read(
        &self,
        name: SegmentName,
        from: u64,
        length: u32,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let files = self.files.lock();
        let part = |file: &Vec<u8>| {
            let from = usize::try_from(from).unwrap_or(usize::MAX).min(file.len());
            let rest = &file[from..];
            rest[..rest.len().min(length as usize)].to_vec()
        };
        Ok(files.get(&name).map(part))
    }

    async fn remove(&self, name: SegmentName) -> Result<(), Fault> {
        self.files.lock().remove(&name);
        Ok(())
    }
}

#[async_trait]
impl SegmentFile for Aside {
    async fn append(&mut self, bytes: Vec<u8>) -> Result<(), Fault> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>, name: SegmentName) -> Result<(), Fault> {
        let Self { files, bytes } = *self;
        files.lock().insert(name, bytes);
        Ok(())
    }
}
