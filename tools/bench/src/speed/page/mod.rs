//! `chat-bench page`: the tables and curves of the documentation, from lines of results.

mod chart;
mod curves;
mod tables;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::measurement::{self, Measurement};

/// Writes the tables of a page anew, and the curves beside it, from files of results.
///
/// On the page, what stands between the lines `<!-- begin NAME -->` and `<!-- end NAME -->` is replaced, for each
/// table's NAME. Without results for it, a table or a curve stays as it is.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Files of results; of the same measurement, the last one counts
    #[arg(required = true, value_name = "FILE")]
    pub results: Vec<PathBuf>,

    /// The page whose tables are written anew [default: they go to the standard output]
    #[arg(long, value_name = "FILE")]
    pub page: Option<PathBuf>,

    /// The directory that the curves go to
    #[arg(long, value_name = "DIR")]
    pub curves: Option<PathBuf>,
}

/// Writes them; returns the text for the standard output.
pub fn run(options: &Options) -> anyhow::Result<String> {
    let read = |path: &PathBuf| measurement::read(path);
    let files: anyhow::Result<Vec<_>> = options.results.iter().map(read).collect();
    let results = latest(files?.into_iter().flatten());
    if let Some(dir) = &options.curves {
        write_curves(dir, &results)?;
    }
    let tables = tables::all(&results);
    let Some(path) = &options.page else {
        let texts = tables.into_iter().map(|(_, table)| table);
        return Ok(texts.collect::<Vec<_>>().join("\n"));
    };
    let context = || format!("cannot write {}", path.display());
    let mut page = std::fs::read_to_string(path).with_context(context)?;
    for (name, table) in tables {
        page = with_section(&page, name, &table)
            .with_context(|| format!("{} has no place for {name}", path.display()))?;
    }
    std::fs::write(path, page).with_context(context)?;
    Ok(String::new())
}

fn write_curves(dir: &Path, results: &[Measurement]) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    for (name, chart) in curves::all(results) {
        let path = dir.join(format!("{name}.svg"));
        if let Some(svg) = chart.svg()? {
            std::fs::write(&path, svg)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

/// The last one of each measurement, in the order of their first ones. At which rate latency was measured differs with
/// what the server reached.
fn latest(all: impl Iterator<Item = Measurement>) -> Vec<Measurement> {
    let is_same = |one: &Measurement, other: &Measurement| {
        let key = |of: &Measurement| {
            let mut parameters = of.parameters.clone();
            parameters.remove("rate");
            (
                of.bench.clone(),
                of.server.clone(),
                of.storage.clone(),
                parameters,
            )
        };
        key(one) == key(other)
    };
    let mut latest: Vec<Measurement> = Vec::new();
    for measurement in all {
        match latest.iter_mut().find(|known| is_same(known, &measurement)) {
            Some(known) => *known = measurement,
            None => latest.push(measurement),
        }
    }
    latest
}

fn with_section(page: &str, name: &str, text: &str) -> anyhow::Result<String> {
    let (begin, end) = (
        format!("<!-- begin {name} -->\n"),
        format!("<!-- end {name} -->"),
    );
    let (before, rest) = page.split_once(&begin).context("its begin is not there")?;
    let (_, after) = rest.split_once(&end).context("its end is not there")?;
    ensure!(!after.contains(&begin), "its begin is there twice");
    Ok(format!("{before}{begin}{}\n{end}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_is_replaced_and_rest_stays() {
        let page = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n";
        let new = with_section(page, "x", "new\n").unwrap();
        assert_eq!(new, "a\n<!-- begin x -->\nnew\n<!-- end x -->\nb\n");
        assert_eq!(with_section(&new, "x", "new").unwrap(), new);
        assert!(with_section(page, "y", "").is_err());
    }
}
