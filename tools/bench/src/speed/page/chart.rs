//! Curves as SVG.

use std::fmt::Write;

use super::super::measurement::short;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
const COLOURS: [&str; 5] = ["#0b62a4", "#c2410c", "#15803d", "#7e22ce", "#525252"];

/// How values become places on an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// From zero.
    Linear,
    /// By powers of ten.
    Logarithmic,
    /// Percentiles: 90, 99, 99.9 and so on lie equally far from each other.
    Nines,
}

impl Scale {
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Logarithmic => value.max(1e-9).log10(),
            Self::Nines => -(1.0 - value / 100.0).max(1e-9).log10(),
        }
    }

    /// Values that get a line, from the least place to the most.
    fn ticks(self, least: f64, most: f64) -> Vec<f64> {
        let steps = |first: f64, last: f64| (first as i32..=last as i32).map(f64::from);
        match self {
            Self::Linear => {
                let rough = (most - least).max(1e-9) / 4.0;
                let power = 10_f64.powf(rough.log10().floor());
                let step = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
                let step = step
                    .into_iter()
                    .find(|step| *step >= rough)
                    .unwrap_or(rough);
                steps(0.0, (most / step).ceil())
                    .map(|count| count * step)
                    .collect()
            }
            Self::Logarithmic => steps(least.floor(), most.ceil())
                .map(|power| 10_f64.powf(power))
                .collect(),
            Self::Nines => steps(0.0, most.ceil())
                .map(|nines| 100.0 * (1.0 - 10_f64.powf(-nines)))
                .collect(),
        }
    }

    fn label(self, value: f64) -> String {
        match self {
            Self::Nines => format!("{} %", (value * 1e6).round() / 1e6),
            _ if value == 0.0 => "0".to_owned(),
            _ if value >= 1.0 => {
                let text = short(value);
                match text.split_once(' ') {
                    Some((number, unit)) => format!("{} {unit}", without_zeros(number)),
                    None => without_zeros(&text).to_owned(),
                }
            }
            _ => format!("{value}"),
        }
    }
}

fn without_zeros(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
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
}

/// The places that lie at the ends of an axis, and its ticks.
struct Range {
    ticks: Vec<f64>,
    scale: Scale,
    least: f64,
    most: f64,
}

impl Range {
    fn new(scale: Scale, values: impl Iterator<Item = f64>) -> Self {
        let places: Vec<f64> = values.map(|value| scale.place(value)).collect();
        let least = places.iter().copied().fold(f64::INFINITY, f64::min);
        let most = places.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let ticks = scale.ticks(least, most);
        let at = |tick: Option<&f64>| tick.map_or(0.0, |tick| scale.place(*tick));
        Self {
            scale,
            least: at(ticks.first()),
            most: at(ticks.last()),
            ticks,
        }
    }

    /// Between 0 and 1.
    fn share(&self, value: f64) -> f64 {
        (self.scale.place(value) - self.least) / (self.most - self.least).max(1e-9)
    }
}

impl Chart<'_> {
    /// The picture, or nothing if there are no points.
    pub(super) fn svg(&self) -> Option<String> {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        points().next()?;
        let across = Range::new(self.across.scale, points().map(|point| point.0));
        let up = Range::new(self.up.scale, points().map(|point| point.1));
        let x = |value| LEFT + across.share(value) * (WIDTH - LEFT - RIGHT);
        let y = |value| HEIGHT - BOTTOM - up.share(value) * (HEIGHT - TOP - BOTTOM);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
             <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{}</text>\n",
            escaped(self.title)
        );
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for tick in &across.ticks {
            let (at, label) = (x(*tick), across.scale.label(*tick));
            // Writing to a string cannot fail.
            let _ = writeln!(
                svg,
                "<path d=\"M{at:.1} {TOP}V{bottom}\" stroke=\"#ddd\"/>\
                 <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
                bottom + 16.0
            );
        }
        for tick in &up.ticks {
            let (at, label) = (y(*tick), up.scale.label(*tick));
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#ddd\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                LEFT - 6.0,
                at + 4.0
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n\
             <text transform=\"translate(14 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            (LEFT + right) / 2.0,
            HEIGHT - 12.0,
            escaped(self.across.name),
            (TOP + bottom) / 2.0,
            escaped(self.up.name)
        );
        for (number, curve) in self.curves.iter().enumerate() {
            self.draw(&mut svg, number, curve, &x, &y);
        }
        svg.push_str("</svg>\n");
        Some(svg)
    }

    fn draw(
        &self,
        svg: &mut String,
        number: usize,
        curve: &Curve,
        x: &impl Fn(f64) -> f64,
        y: &impl Fn(f64) -> f64,
    ) {
        let colour = COLOURS[number % COLOURS.len()];
        let places: Vec<_> = curve
            .points
            .iter()
            .map(|(across, up)| format!("{:.1},{:.1}", x(*across), y(*up)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            places.join(" ")
        );
        for place in &places {
            let (x, y) = place.split_once(',').unwrap_or_default();
            let _ = writeln!(
                svg,
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"3\" fill=\"{colour}\"/>"
            );
        }
        let line = TOP + 14.0 + 16.0 * number as f64;
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{line:.1}\" fill=\"{colour}\">{}</text>",
            LEFT + 10.0,
            escaped(&curve.name)
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
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
        }
    }

    #[test]
    fn points_lie_between_the_axes() {
        let svg = chart(vec![(1e3, 0.0), (1e6, 40.0)]).svg().unwrap();
        assert!(svg.contains("points=\"70.0,310.0 620.0,40.0\""), "{svg}");
        assert!(
            svg.contains(">1000<") && svg.contains(">1 M<") && svg.contains("a &lt; b"),
            "{svg}"
        );
    }

    #[test]
    fn without_points_there_is_no_picture() {
        assert_eq!(chart(Vec::new()).svg(), None);
    }

    #[test]
    fn nines_are_equally_far_apart() {
        let scale = Scale::Nines;
        let steps = [90.0, 99.0, 99.9].map(|percent| scale.place(percent));
        assert!((steps[2] - steps[1] - (steps[1] - steps[0])).abs() < 1e-6);
        assert_eq!(scale.label(99.9), "99.9 %");
    }
}
