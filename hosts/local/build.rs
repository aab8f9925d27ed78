//! Embeds the pages: what `web/` built into `web/dist` becomes a table of files in the program.
//!
//! Without `web/dist` the table is empty, so that the program compiles without Node; it then answers pages with
//! what to do.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let dist = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../web/dist");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", dist.display());
    let dist = dist.canonicalize().unwrap_or(dist);
    let mut files = Vec::new();
    collect(&dist, &mut files)?;
    files.sort();
    // Copies, so that what is compiled holds together even while the pages are built anew.
    let kept = PathBuf::from(env::var("OUT_DIR")?).join("pages");
    fs::create_dir_all(&kept)?;
    let mut table = String::from("&[\n");
    for path in files.iter().filter(|path| !is_compressed(path)) {
        let name = path.strip_prefix(&dist)?.to_str().ok_or("a file's name is not UTF-8")?;
        let copy = kept.join(name.replace('/', "--"));
        let embed = |from: &Path, ending: &str| -> Result<String, Box<dyn Error>> {
            let to = PathBuf::from(format!("{}{ending}", copy.display()));
            fs::copy(from, &to)?;
            Ok(format!("include_bytes!({to:?})"))
        };
        let beside = |ending: &str| -> Result<String, Box<dyn Error>> {
            let beside = PathBuf::from(format!("{}{ending}", path.display()));
            if !files.contains(&beside) {
                return Ok("None".to_owned());
            }
            Ok(format!("Some({})", embed(&beside, ending)?))
        };
        writeln!(
            table,
            "    Page {{ path: {:?}, plain: {}, brotli: {}, gzip: {} }},",
            format!("/{name}"),
            embed(path, "")?,
            beside(".br")?,
            beside(".gz")?,
        )?;
    }
    table.push_str("]\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("pages.rs"), table)?;
    Ok(())
}

/// Is it another file in a smaller form?
fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "br" || extension == "gz")
}

/// Every file below a directory, but not the hidden ones.
fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    if !directory.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        if path.is_dir() { collect(&path, files)? } else { files.push(path) }
    }
    Ok(())
}
