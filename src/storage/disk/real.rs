//! [`RealDisk`]: a directory of the file system.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Disk, DiskFile, DiskLock, check_name};

/// A directory of the file system.
///
/// Locks are the operating system's advisory file locks. They hold within the machine; on a network file system they
/// are as good as that system's.
#[derive(Debug)]
pub struct RealDisk {
    directory: PathBuf,
}

impl RealDisk {
    /// Opens a directory, or makes it together with those above it. A directory made here is durable on return.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotADirectory`] if the path, or one above it, is a file.
    /// - [`io::ErrorKind::PermissionDenied`] if the directory may not be made or read.
    /// - [`io::ErrorKind::ReadOnlyFilesystem`] if it would have to be made where nothing can be. Whether an existing
    ///   directory can be written shows with the first [`lock`](Disk::lock).
    pub fn open_or_create(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        create_durably(&path)?;
        fs::read_dir(&path)?;
        Ok(Self { directory: path })
    }

    /// The directory, as an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.directory
    }

    fn file(&self, name: &str) -> io::Result<PathBuf> {
        check_name(name)?;
        Ok(self.directory.join(name))
    }
}

impl Disk for RealDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.file(name)?)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(self.file(name)?)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.file(from)?, self.file(to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.file(name)?)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            // A name that is not UTF-8 is none of ours; shown lossily it still tells that something foreign is here.
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn sync_directory(&self) -> io::Result<()> {
        sync_names_of(&self.directory)
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        // While the lock is held, nobody removes the file.
        #[cfg(windows)]
        std::os::windows::fs::OpenOptionsExt::share_mode(&mut options, FILE_SHARE_READ | FILE_SHARE_WRITE);
        let file = options.open(self.file(name)?)?;
        take_lock(&file)?;
        Ok(Box::new(RealLock { _file: file, _directory: lock_directory(&self.directory)? }))
    }

    fn describe(&self) -> String {
        self.directory.display().to_string()
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, buffer, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
        use std::os::windows::fs::FileExt;
        while !buffer.is_empty() {
            match self.0.seek_read(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    buffer = &mut buffer[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    #[cfg(unix)]
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.0, bytes, offset)
    }

    #[cfg(windows)]
    fn write_at(&self, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        use std::os::windows::fs::FileExt;
        while !bytes.is_empty() {
            match self.0.seek_write(bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    bytes = &bytes[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        self.0.set_len(size_bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// The lock is the open file's: the operating system drops it with the last handle.
struct RealLock {
    _file: File,
    /// Locked as well where that can be done.
    _directory: Option<File>,
}

#[cfg(windows)]
const FILE_SHARE_READ: u32 = 1;
#[cfg(windows)]
const FILE_SHARE_WRITE: u32 = 2;

fn take_lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) if is_without_locks(&error) => {
            Err(io::Error::new(io::ErrorKind::Unsupported, error))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether the file system has no locks, by what `flock` answers then.
fn is_without_locks(error: &io::Error) -> bool {
    const ENOLCK: i32 = 37;
    error.kind() == io::ErrorKind::Unsupported || (cfg!(target_os = "linux") && error.raw_os_error() == Some(ENOLCK))
}

/// Locks the directory itself, so that a lock file which is removed and made again lets nobody in. Some file systems
/// lock files and no directories; there the file has to do.
#[cfg(unix)]
fn lock_directory(directory: &Path) -> io::Result<Option<File>> {
    let directory = File::open(directory)?;
    match directory.try_lock() {
        Ok(()) => Ok(Some(directory)),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

#[cfg(windows)]
fn lock_directory(_directory: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

impl DiskLock for RealLock {}

/// Makes the directory and what is missing above it, each durable in its parent before the next is made.
fn create_durably(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => return Err(io::Error::new(io::ErrorKind::NotADirectory, "the path is a file, not a directory")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let Some(parent) = path.parent() else { return Err(io::ErrorKind::NotFound.into()) };
    create_durably(parent)?;
    match fs::create_dir(path) {
        // Somebody else was faster; what they made is as good, once it is durable.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => sync_names_of(parent),
    }
}

#[cfg(unix)]
fn sync_names_of(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all().map_err(|error| match error.kind() {
        // What a file system answers that cannot sync directories.
        io::ErrorKind::InvalidInput => io::Error::new(io::ErrorKind::Unsupported, error),
        _ => error,
    })
}

/// Windows journals names itself and offers no way to flush a directory.
#[cfg(windows)]
fn sync_names_of(_directory: &Path) -> io::Result<()> {
    Ok(())
}
