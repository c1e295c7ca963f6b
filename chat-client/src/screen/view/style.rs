//! Styles. Every colour has a contrast of 4.5 to 1 or more on black and on white, so the screen reads well on both. No
//! meaning hangs on a colour alone: with `NO_COLOR` nothing is lost.

use ratatui_core::style::{Color, Modifier, Style};

/// Of the 256 colours of terminals, all that are readable on black and on white.
const NAMES: [Color; 5] = [
    Color::Indexed(29),
    Color::Indexed(63),
    Color::Indexed(98),
    Color::Indexed(131),
    Color::Indexed(163),
];
const QUIET: Color = Color::Indexed(243);

pub(super) const PLAIN: Style = Style::new();
pub(super) const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
pub(super) const BAR: Style = Style::new().add_modifier(Modifier::REVERSED);
pub(super) const QUIET_TEXT: Style = Style::new().fg(QUIET);
pub(super) const URGENT: Style = Style::new()
    .fg(Color::Indexed(163))
    .add_modifier(Modifier::BOLD);

/// The style of a user's name, the same for the same name.
pub(super) fn of_name(name: &str) -> Style {
    let sum = name.bytes().fold(7_usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(byte))
    });
    BOLD.fg(NAMES[sum % NAMES.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(index: u8) -> f64 {
        let channels = match index {
            232.. => [8 + 10 * (index - 232); 3],
            _ => {
                let of_cube = |step: u8| [0, 95, 135, 175, 215, 255][usize::from(step % 6)];
                let index = index - 16;
                [of_cube(index / 36), of_cube(index / 6), of_cube(index)]
            }
        };
        let linear = channels.map(|channel| {
            let channel = f64::from(channel) / 255.0;
            match channel <= 0.03928 {
                true => channel / 12.92,
                false => ((channel + 0.055) / 1.055).powf(2.4),
            }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    /// By the formula of WCAG 2.
    #[test]
    fn colours_read_well_on_black_and_white() {
        for color in NAMES.into_iter().chain([QUIET]) {
            let Color::Indexed(index) = color else {
                panic!("{color:?} depends on the terminal");
            };
            let luminance = luminance(index) + 0.05;
            assert!(
                1.05 / luminance >= 4.5 && luminance / 0.05 >= 4.5,
                "{index}"
            );
        }
    }
}
