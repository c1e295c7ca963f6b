//! The table of all metrics in docs/monitoring.md.

use chat_node::metrics::catalogue::ALL;

/// A row for each metric.
pub(super) fn table() -> String {
    let rows = ALL.iter().map(|metric| {
        let labels: Vec<String> = metric.labels.iter().map(|it| format!("`{it}`")).collect();
        let (name, kind, help) = (metric.name, metric.kind.word(), metric.help);
        let help = help.strip_suffix('.').unwrap_or(help);
        format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", "))
    });
    let rows: String = rows.collect();
    format!("| metric | kind | labels | meaning |\n|---|---|---|---|\n{rows}")
}
