//! Every case in `fixtures/rules/` comes out as it says.

use std::{error::Error, fs, io::BufReader, path::Path};
use switchboard_rules::cases;

#[test]
fn every_case_comes_out_as_it_says() -> Result<(), Box<dyn Error>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/rules");
    let mut passed = 0;
    for entry in fs::read_dir(dir)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "jsonl") {
            let mut differing = Vec::new();
            let tally = cases::run(BufReader::new(fs::File::open(&file)?), &mut differing)?;
            assert_eq!(tally.failed, 0, "{}:\n{}", file.display(), String::from_utf8_lossy(&differing));
            passed += tally.passed;
        }
    }
    assert!(passed > 500, "only {passed} cases were found");
    Ok(())
}
