//! Writes the list of calling codes that exist, as the library `phonenumber` (Google's metadata) knows them. Only
//! the codes are needed at run time, and the library's table there would be 11 MB of memory.

use std::{env, fs, io, path::Path};

use phonenumber::metadata::DATABASE;

fn main() -> io::Result<()> {
    let out_dir = env::var("OUT_DIR").map_err(io::Error::other)?;
    println!("cargo::rerun-if-changed=build.rs");
    let codes: Vec<u16> = (1..1000).filter(|code| DATABASE.by_code(code).is_some()).collect();
    if codes.len() < 200 {
        return Err(io::Error::other(format!("only {} calling codes are known", codes.len())));
    }
    fs::write(Path::new(&out_dir).join("calling_codes.rs"), format!("&{codes:?}"))
}
