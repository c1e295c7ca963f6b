//! Screens as files: what both emulators are to show. `RECORD_SCREENS=1` records them anew.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::alacritty::Alacritty;

/// On a busy machine too, a screen that was silent for so long is complete.
const SILENCE: Duration = Duration::from_millis(400);

/// Whether the screens are to be recorded.
pub(crate) fn is_recording() -> bool {
    std::env::var_os("RECORD_SCREENS").is_some()
}

/// The files, of which each has one moment at several sizes.
fn path(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/screens");
    directory.join(format!("{name}.txt"))
}

fn heading((columns, rows): (u16, u16)) -> String {
    format!("== {columns}x{rows}")
}

/// What is recorded for this moment and size; nothing if nothing is.
pub(crate) fn recorded(name: &str, size: (u16, u16)) -> String {
    let all = fs::read_to_string(path(name)).unwrap_or_default();
    sections(&all)
        .into_iter()
        .find(|section| section.starts_with(&heading(size)))
        .unwrap_or_default()
}

/// Several tests record other sizes of one moment.
static RECORDING: Mutex<()> = Mutex::new(());

/// Records this section instead of the one of the same size.
fn record(name: &str, size: (u16, u16), section: &str) {
    let _alone = RECORDING.lock();
    let all = fs::read_to_string(path(name)).unwrap_or_default();
    let mut sections = sections(&all);
    sections.retain(|section| !section.starts_with(&heading(size)));
    sections.push(section.to_owned());
    sections.sort();
    fs::create_dir_all(path(name).parent().expect("a directory")).expect("a directory");
    fs::write(path(name), sections.concat()).expect("a file");
}

fn sections(all: &str) -> Vec<String> {
    let mut sections: Vec<String> = Vec::new();
    for line in all.lines() {
        match sections.last_mut() {
            Some(section) if !line.starts_with("== ") || line.contains(" in Alacritty") => {
                section.push_str(line);
                section.push('\n');
            }
            _ => sections.push(format!("{line}\n")),
        }
    }
    sections
}

/// A screen as the files have it. Where the two emulators differ, both are there.
pub(crate) fn section(
    first: &vt100::Screen,
    second: &Alacritty,
    size: (u16, u16),
    port: u16,
) -> String {
    let (row, column) = first.cursor_position();
    let cursor = match first.hide_cursor() {
        true => "no cursor".to_owned(),
        false => format!("cursor in row {row}, column {column}"),
    };
    let lines = |rows: &mut dyn Iterator<Item = String>| -> String {
        rows.map(|row| format!("{}\n", masked(&row, port).trim_end()))
            .collect()
    };
    let shown = lines(&mut first.rows(0, u16::MAX));
    let of_second = lines(&mut second.rows().into_iter());
    let mut section = format!("{}, {cursor}\n{shown}", heading(size));
    if of_second != shown {
        section.push_str(&format!("{} in Alacritty\n{of_second}", heading(size)));
    }
    if second.cursor() != (row, column) {
        section.push_str(&format!(
            "{} in Alacritty, cursor {:?}\n",
            heading(size),
            second.cursor()
        ));
    }
    section
}

/// The row without what differs from run to run: the port, the day and time of this host, and seconds to wait.
pub(crate) fn masked(row: &str, port: u16) -> String {
    let mut row = row.replace(&port.to_string(), "#####");
    // They take no cell, so an emulator keeps them with one that is not drawn again.
    row.retain(|character| !matches!(character, '\u{2066}'..='\u{2069}'));
    let today = Timestamp::now().to_zoned(TimeZone::fixed(jiff::tz::offset(2)));
    for day in [today.clone(), today.saturating_sub(1.day())] {
        let day = day.strftime("%A, %-d %B %Y").to_string();
        let shorter = format!("today {}", "─".repeat(day.len() - "today ".len()));
        row = row.replace(&day, &shorter).replace("─ ─", "──");
    }
    for mark in ["▌", "-"] {
        let Some(at) = row.find(mark).map(|at| at + mark.len()) else {
            continue;
        };
        let Some(clock) = row.get(at..at + 5).filter(|clock| is_clock(clock)) else {
            continue;
        };
        // Own messages have the time of this host, and the sign of their delivery behind it.
        let is_of_this_host =
            mark == "-" || row[at + clock.len()..].starts_with(['…', '✓', '✗', '!']);
        if is_of_this_host {
            row.replace_range(at..at + 5, "hh:mm");
        }
    }
    if let Some(at) = row.find("Next try in ").map(|at| at + "Next try in ".len()) {
        let seconds = row[at..].chars().take_while(char::is_ascii_digit).count();
        row.replace_range(at..at + seconds, "N");
    }
    row
}

fn is_clock(text: &str) -> bool {
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once(':')
        .is_some_and(|(hours, minutes)| digits(hours) && digits(minutes))
}

/// Calls until the text is what is recorded, or has been the same for a while where it is to be recorded.
pub(crate) fn settle(name: &str, size: (u16, u16), mut look: impl FnMut() -> String) {
    if is_recording() {
        loop {
            let before = look();
            thread::sleep(SILENCE);
            if look() == before {
                return record(name, size, &before);
            }
        }
    }
    let wanted = recorded(name, size);
    let began = std::time::Instant::now();
    loop {
        let shown = look();
        if shown == wanted {
            return;
        }
        assert!(
            began.elapsed() < super::PATIENCE,
            "{name} is not as recorded. To record it: RECORD_SCREENS=1.\n--- recorded\n{wanted}\n--- shown\n{shown}"
        );
        thread::sleep(Duration::from_millis(2));
    }
}
