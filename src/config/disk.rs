//! Questions to the file system that are asked once, at start.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Whether a file can be made in `directory`: makes one that has no name and is gone at once.
///
/// # Errors
///
/// What is wrong with the directory, in words.
pub(super) fn check_writable(directory: &Path) -> Result<(), String> {
    if !directory.is_dir() {
        return Err("must be a directory that exists".to_owned());
    }
    match tempfile::tempfile_in(directory) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("must be a directory in which files can be made: {}", error.kind())),
    }
}

/// Whether `file` is a file that can be read.
///
/// # Errors
///
/// Why it cannot be read, in words.
pub(super) fn check_readable(file: &Path) -> Result<(), String> {
    // A directory can be opened; only reading it fails.
    let read = File::open(file).and_then(|mut file| file.read(&mut [0]));
    read.map(|_| ()).map_err(|error: io::Error| format!("must be a file that can be read: {}", error.kind()))
}

/// The kind of file system that keeps `directory` in memory (`tmpfs`, `ramfs`); `None` on a disk,
/// and where `/proc` does not say.
pub(super) fn memory_backed(directory: &Path) -> Option<&'static str> {
    let directory = fs::canonicalize(directory).ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let kind = file_system(&mounts, &directory)?;
    ["tmpfs", "ramfs"].into_iter().find(|memory| *memory == kind)
}

/// The kind of file system that `directory` lies on, by proc_pid_mountinfo(5): field 5 is where it
/// is mounted, and the kind stands behind the lone hyphen. A later mount covers an earlier one.
fn file_system<'m>(mounts: &'m str, directory: &Path) -> Option<&'m str> {
    let mounts = mounts.lines().filter_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        let point = unescape(mount.split(' ').nth(4)?);
        directory.starts_with(&point).then_some((point.components().count(), system.split(' ').next()?))
    });
    mounts.max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

/// Blanks, tabs, line breaks and backslashes stand as octal numbers.
fn unescape(point: &str) -> PathBuf {
    let plain = [(r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", r"\")];
    plain.iter().fold(point.to_owned(), |point, (escape, plain)| point.replace(escape, plain)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = r"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /tmp rw,nosuid shared:2 master:1 - tmpfs tmpfs rw,size=1g
24 22 0:22 / /srv/big\040disk rw - xfs /dev/vdb rw
25 22 0:23 / /mnt rw - ext4 /dev/vdc rw
26 25 0:24 / /mnt rw - ramfs none rw";

    #[test]
    fn the_deepest_and_latest_mount_holds_a_directory() {
        for (directory, kind) in [
            ("/var/tmp", "ext4"),
            ("/tmp", "tmpfs"),
            ("/tmp/a/b", "tmpfs"),
            ("/tmpfiles", "ext4"),
            ("/srv/big disk/a", "xfs"),
            ("/mnt/a", "ramfs"),
        ] {
            assert_eq!(file_system(MOUNTS, Path::new(directory)), Some(kind), "{directory}");
        }
        assert_eq!(file_system("nonsense\n\n1 2 3 - x", Path::new("/tmp")), None);
    }

    #[test]
    fn a_directory_that_takes_files_passes() {
        let directory = tempfile::tempdir().unwrap();
        check_writable(directory.path()).unwrap();
        let file = tempfile::NamedTempFile::new_in(&directory).unwrap();
        assert_eq!(check_writable(file.path()).unwrap_err(), "must be a directory that exists");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "the check leaves nothing behind");
    }

    #[test]
    fn a_file_that_can_be_read_passes() {
        let directory = tempfile::tempdir().unwrap();
        check_readable(tempfile::NamedTempFile::new_in(&directory).unwrap().path()).unwrap();
        check_readable(directory.path()).unwrap_err();
        check_readable(&directory.path().join("missing")).unwrap_err();
    }
}
