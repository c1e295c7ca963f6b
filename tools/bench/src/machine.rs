//! What a run was measured on, and the page that says so.

use jiff::{Timestamp, Unit};

/// A page for the documentation: when and where it was, by which command, the text, the JSON line.
pub fn page(title: &str, command: &str, text: &str, json: &str) -> String {
    let program = command.split(" --").next().unwrap_or(command);
    format!(
        "# {title}\n\n\
         What is done and checked, `{program} --help` says.\n\n\
         - when: {}\n\
         - machine: {}\n\
         - command: `{command}`\n\n\
         ```\n{text}```\n\n```json\n{json}\n```\n",
        Timestamp::now().round(Unit::Second).unwrap_or_default(),
        machine(),
    )
}

/// How many processes wanted a processor lately: averages of 1, 5 and 15 minutes, `unknown` if there are none.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<&str> = text.split(' ').take(3).collect();
    match averages.len() {
        3 => averages.join(" "),
        _ => "unknown".to_owned(),
    }
}

/// Processors, memory and kernel, as far as they are known.
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        let value = line.and_then(|line| line.split_once(':'));
        value.map_or("unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    // All there are: this process may be kept to one.
    let processors = read("/proc/cpuinfo");
    let cores = processors
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let processor = field(&processors, "model name");
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{cores} cores ({processor}), memory {memory}, Linux {}",
        kernel.trim()
    )
}
