//! Charts as SVG.

use std::ops::Range;

use anyhow::{Context, anyhow};
use plotters::prelude::*;

use super::super::measurement::short;

/// Pixels across and up.
const SIZE: (u32, u32) = (640, 360);
const COLOURS: [RGBColor; 6] = [
    RGBColor(11, 98, 164),
    RGBColor(194, 65, 12),
    RGBColor(21, 128, 61),
    RGBColor(126, 34, 206),
    RGBColor(82, 82, 82),
    RGBColor(190, 24, 93),
];
const GRID: RGBColor = RGBColor(221, 221, 221);
const FONT: &str = "sans-serif";
const FONT_SIZE: i32 = 15;
const TITLE_SIZE: i32 = 18;
const MARKER_RADIUS: i32 = 3;
const LABELS: usize = 6;

/// How an axis spreads its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// From zero.
    Linear,
    /// By powers of ten.
    Logarithmic,
    /// Percentiles: 90, 99, 99.9 and so on are equally far apart.
    Nines,
}

/// An axis: its name with the unit, and its scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis<'a> {
    pub(super) name: &'a str,
    pub(super) scale: Scale,
}

/// One curve.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    pub(super) name: String,
    /// In the order of their x.
    pub(super) points: Vec<(f64, f64)>,
}

/// A picture with its curves.
#[derive(Clone, Debug)]
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    pub(super) across: Axis<'a>,
    pub(super) up: Axis<'a>,
    pub(super) curves: Vec<Curve>,
    /// A corner that no curve needs.
    pub(super) legend: SeriesLabelPosition,
}

impl Scale {
    /// Where the library's linear axis has a value. Percentiles become the number of their nines, powers of ten their
    /// exponent.
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Logarithmic => value.max(1e-9).log10(),
            Self::Nines => -(1.0 - value / 100.0).max(1e-9).log10(),
        }
    }

    /// From the first tick to the last.
    fn range(self, values: impl Iterator<Item = f64>) -> Range<f64> {
        let places = values.map(|value| self.place(value));
        let (least, most) = places.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), at| {
            (least.min(at), most.max(at))
        });
        match self {
            Self::Linear => 0.0..(most * 1.05).max(f64::MIN_POSITIVE),
            _ => least.floor()..most.ceil().max(least.floor() + 1.0),
        }
    }

    fn label(self, place: f64) -> String {
        match self {
            Self::Nines => {
                let percent = 100.0 * (1.0 - 10_f64.powf(-place));
                format!("{} %", (percent * 1e6).round() / 1e6)
            }
            Self::Logarithmic => number(10_f64.powf(place)),
            Self::Linear => number(place),
        }
    }
}

fn number(value: f64) -> String {
    if value < 1.0 {
        return format!("{}", (value * 1e6).round() / 1e6);
    }
    let text = short(value);
    match text.split_once(' ') {
        Some((number, unit)) => format!("{} {unit}", without_zeros(number)),
        None => without_zeros(&text).to_owned(),
    }
}

fn without_zeros(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}

impl Chart<'_> {
    /// The picture. None if there are no points.
    pub(super) fn svg(&self) -> anyhow::Result<Option<String>> {
        if self.curves.iter().all(|curve| curve.points.is_empty()) {
            return Ok(None);
        }
        let mut svg = String::new();
        // The library's errors borrow from the picture.
        self.draw(&mut svg)
            .map_err(|error| anyhow!("{error}"))
            .with_context(|| format!("cannot draw {:?}", self.title))?;
        Ok(Some(svg))
    }

    fn draw(&self, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let (across, up) = (self.across.scale, self.up.scale);
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, (FONT, TITLE_SIZE))
            .margin(12)
            .margin_right(24)
            .x_label_area_size(44)
            .y_label_area_size(66)
            .build_cartesian_2d(
                across.range(points().map(|point| point.0)),
                up.range(points().map(|point| point.1)),
            )?;
        chart
            .configure_mesh()
            .x_desc(self.across.name)
            .y_desc(self.up.name)
            .x_labels(LABELS)
            .y_labels(LABELS)
            .x_label_formatter(&|place| across.label(*place))
            .y_label_formatter(&|place| up.label(*place))
            .label_style((FONT, FONT_SIZE))
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .draw()?;
        for (number, curve) in self.curves.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let places = curve.points.iter();
            let places = places.map(|point| (across.place(point.0), up.place(point.1)));
            let line = LineSeries::new(places, colour.stroke_width(2)).point_size(3);
            chart
                .draw_series(line)?
                .label(&curve.name)
                .legend(move |at| Circle::new(at, MARKER_RADIUS, colour.filled()));
        }
        chart
            .configure_series_labels()
            .position(self.legend.clone())
            .label_font((FONT, FONT_SIZE))
            .background_style(WHITE.mix(0.8))
            .draw()?;
        area.present()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, f64)>) -> Chart<'static> {
        let axis = |name, scale| Axis { name, scale };
        Chart {
            title: "a < b",
            across: axis("accounts", Scale::Logarithmic),
            up: axis("us", Scale::Linear),
            curves: vec![Curve {
                name: "who".into(),
                points,
            }],
            legend: SeriesLabelPosition::UpperLeft,
        }
    }

    #[test]
    fn picture_has_curve_labels_and_names() {
        let svg = chart(vec![(1e3, 0.0), (1e6, 40.0)]).svg().unwrap().unwrap();
        for part in ["<polyline", "1000", "1 M", "accounts", "who", "a &lt; b"] {
            assert!(svg.contains(part), "{part} is not in {svg}");
        }
    }

    #[test]
    fn no_points_make_no_picture() {
        assert_eq!(chart(Vec::new()).svg().unwrap(), None);
    }

    #[test]
    fn nines_are_equally_far_apart() {
        let scale = Scale::Nines;
        let places = [90.0, 99.0, 99.9].map(|percent| scale.place(percent));
        for (place, nines) in places.into_iter().zip([1.0, 2.0, 3.0]) {
            assert!((place - nines).abs() < 1e-6, "{place}");
        }
        assert_eq!(scale.label(3.0), "99.9 %");
    }
}
