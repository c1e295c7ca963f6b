//! Which curves there are.

use plotters::chart::SeriesLabelPosition;

use super::chart::{Axis, Chart, Curve, Scale};
use crate::speed::measurement::Measurement;

/// All curves with the names of their files; those without results have no points.
pub(super) fn all(results: &[Measurement]) -> Vec<(&'static str, Chart<'static>)> {
    let us = "server CPU, us each";
    let growth = |bench, parameter, figures: &[_]| growth(results, bench, parameter, figures);
    vec![
        (
            "accounts",
            Chart {
                title: "What each costs, by the number of accounts (100 online)",
                across: logarithmic("accounts"),
                up: linear(us),
                curves: growth(
                    "accounts",
                    "accounts",
                    &[
                        ("broadcast server CPU us", "broadcast"),
                        ("who server CPU us", "who"),
                        ("login server CPU us", "login and logout"),
                    ],
                ),
                legend: SeriesLabelPosition::UpperLeft,
            },
        ),
        (
            "start",
            Chart {
                title: "From the start to the first login, by messages that wait",
                across: logarithmic("messages that wait"),
                up: linear("ms"),
                curves: growth("queued", "queued", &[("first login ms", "first login")]),
                legend: SeriesLabelPosition::UpperLeft,
            },
        ),
        (
            "idle",
            Chart {
                title: "Memory of all server processes, by idle connections",
                across: linear("connections"),
                up: linear("KiB (PSS)"),
                curves: growth("idle", "clients", &[("KiB for all (PSS)", "all processes")]),
                legend: SeriesLabelPosition::UpperLeft,
            },
        ),
        (
            "latency",
            Chart {
                title: "Latency of a send at half the peak load",
                across: Axis {
                    name: "messages not slower",
                    scale: Scale::Nines,
                },
                up: logarithmic("us"),
                curves: distributions(results),
                legend: SeriesLabelPosition::LowerRight,
            },
        ),
    ]
}

fn linear(name: &'static str) -> Axis<'static> {
    let scale = Scale::Linear;
    Axis { name, scale }
}

fn logarithmic(name: &'static str) -> Axis<'static> {
    let scale = Scale::Logarithmic;
    Axis { name, scale }
}

/// A curve for each figure, and for each server and storage.
fn growth(
    results: &[Measurement],
    bench: &str,
    parameter: &str,
    figures: &[(&str, &str)],
) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for measurement in results.iter().filter(|result| result.bench == bench) {
        for (figure, name) in figures {
            let name = format!("{name}, {}", whose(measurement));
            let across = measurement.parameters.get(parameter);
            let (Some(across), Some(up)) = (across, measurement.median(figure)) else {
                continue;
            };
            let point = (*across as f64, up);
            match curves.iter_mut().find(|curve| curve.name == name) {
                Some(curve) => curve.points.push(point),
                None => curves.push(Curve {
                    name,
                    points: vec![point],
                }),
            }
        }
    }
    for curve in &mut curves {
        curve.points.sort_by(|one, other| one.0.total_cmp(&other.0));
    }
    curves
}

fn distributions(results: &[Measurement]) -> Vec<Curve> {
    let mut curves = Vec::new();
    for measurement in results.iter().filter(|result| result.bench == "latency") {
        for (name, points) in &measurement.distributions {
            let points = points
                .iter()
                .map(|(percent, us)| (*percent, (*us).max(1) as f64));
            curves.push(Curve {
                name: format!("{name}, {}", whose(measurement)),
                points: points.collect(),
            });
        }
    }
    curves
}

fn whose(measurement: &Measurement) -> String {
    match measurement.storage.as_str() {
        "memory" => format!("{}, state in memory", measurement.server),
        _ => measurement.server.clone(),
    }
}
