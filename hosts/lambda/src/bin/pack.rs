//! `pack FOLDER ZIP`: packs what is deployed, `bootstrap` and whatever lies beside it.
//!
//! Each cold start fetches this and unpacks it, and it is packed once: by Zopfli, which takes half a minute and 4 %
//! off what `sam` would make of the folder. The same files give the same bytes, so that nothing is uploaded twice.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Parser;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

#[derive(Parser)]
struct Arguments {
    /// What is packed, with the folders in it
    folder: PathBuf,
    /// Where to; what is there is replaced
    packed: PathBuf,
}

/// Levels from 10 are Zopfli's: as many times, less nine, it looks for what is shorter still.
const LEVEL: i64 = 14;
/// So much is squeezed at a time, by codes of its own: of the lengths tried, the one that packs `bootstrap` best for
/// its time.
const PART: usize = 250_000;
/// Any user may start it: Lambda's is not the one who packed it.
const PERMISSIONS: u32 = 0o755;

fn main() -> Result<()> {
    let Arguments { folder, packed } = Arguments::parse();
    pack(&folder, &packed).with_context(|| format!("{} cannot be packed", folder.display()))
}

fn pack(folder: &Path, packed: &Path) -> Result<()> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(LEVEL))
        .last_modified_time(DateTime::default())
        .unix_permissions(PERMISSIONS);
    let mut zip = ZipWriter::new(File::create(packed)?);
    for file in files(folder)? {
        zip.start_file_from_path(file.strip_prefix(folder)?, options)?;
        for part in fs::read(&file)?.chunks(PART) {
            zip.write_all(part)?;
        }
    }
    zip.finish()?.sync_all()?;
    Ok(())
}

/// Every file below, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What another program finds in the packed folder; it complains of a file that is not what was packed.
    const LISTS: &str = "import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as packed:
    for entry in packed.infolist():
        print(entry.filename, oct(entry.external_attr >> 16 & 0o777), len(packed.read(entry)))";

    #[test]
    fn what_is_packed_comes_out_as_it_was_and_may_be_started() {
        let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        // Longer than a part, and with something in it to find again.
        let program: Vec<u8> =
            (0..300_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        fs::create_dir(folder.path().join("wiring")).unwrap();
        fs::write(folder.path().join("wiring/sms.toml"), "[[rules]]").unwrap();
        fs::write(folder.path().join("bootstrap"), &program).unwrap();
        let (once, twice) = (out.path().join("once.zip"), out.path().join("twice.zip"));
        pack(folder.path(), &once).unwrap();
        pack(folder.path(), &twice).unwrap();
        assert!(fs::read(&once).unwrap() == fs::read(&twice).unwrap(), "the same files give the same bytes");

        let listed =
            Command::new("python3").args(["-c", LISTS]).arg(&once).output().expect("python3 is there");
        let said = String::from_utf8_lossy(&listed.stdout);
        assert_eq!(said, "bootstrap 0o755 300000\nwiring/sms.toml 0o755 9\n", "{listed:?}");
    }
}
