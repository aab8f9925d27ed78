//! `switchboard tail`.

use std::io::Write;

use anyhow::Result;
use reqwest::Method;
use switchboard_hosts::output::Unprinted;

use super::Reach;
use super::client::{request, send};

pub(super) async fn run(reach: &Reach, pattern: Option<&str>) -> Result<()> {
    let mut asked = request(reach, Method::GET, "/api/tail")?;
    if let Some(pattern) = pattern {
        asked = asked.query(&[("pattern", pattern)]);
    }
    let mut response = send(reach, asked).await?;
    let mut out = std::io::stdout();
    while let Some(lines) = response.chunk().await? {
        out.write_all(&lines).and_then(|()| out.flush()).map_err(Unprinted::from)?;
    }
    Ok(())
}
