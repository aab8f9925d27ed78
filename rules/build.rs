//! Lists `wiring/*.json` for `Wiring::embedded`, so that adding a file there is enough to add a listener.
//! Nothing is checked here: a fault in a file is reported at start-up by the code that reads `--wiring DIR` too.

use std::{env, fmt::Write as _, fs, io, path::Path};

fn main() -> io::Result<()> {
    let manifest_dir = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let out_dir = env::var("OUT_DIR").map_err(io::Error::other)?;
    println!("cargo::rerun-if-changed=wiring");
    let mut names = Vec::new();
    for entry in fs::read_dir(Path::new(&manifest_dir).join("wiring"))? {
        let name = entry?.file_name().into_string().map_err(|name| io::Error::other(format!("{name:?}")))?;
        if name.ends_with(".json") {
            names.push(name);
        }
    }
    names.sort();
    let mut list = String::from("&[\n");
    for name in names {
        println!("cargo::rerun-if-changed=wiring/{name}");
        // Resolved when the crate is compiled, so that a checkout that was moved finds its own files.
        let path = format!("/wiring/{name}");
        let _ =
            writeln!(list, "    ({name:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),");
    }
    list.push_str("]\n");
    fs::write(Path::new(&out_dir).join("wiring_files.rs"), list)
}
