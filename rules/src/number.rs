//! Numbers as decimals: 300, 300.0 and 3.0e2 are one number, and nothing is ever rounded through a float.
//!
//! EventBridge's matcher compares numbers from -5e11 to 5e11 with at most six decimals, and treats all others as
//! text. (AWS's documentation still names 5e9, which was its limit before.)
//! <https://github.com/aws/event-ruler/pull/171>, <https://github.com/aws/event-ruler/pull/166>

use crate::json;

/// Decimals that a comparable number may have.
pub(crate) const MAX_DECIMALS: i64 = 6;

/// The largest comparable number, in millionths.
const MAX_MILLIONTHS: i64 = 500_000_000_000_000_000;

/// Digits of [`MAX_MILLIONTHS`].
const MAX_DIGITS: i64 = 18;

/// A comparable number, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Decimal(i64);

impl Decimal {
    pub(crate) const MIN: Decimal = Decimal(-MAX_MILLIONTHS);
    pub(crate) const MAX: Decimal = Decimal(MAX_MILLIONTHS);

    /// Reads a JSON number. `None` when it is out of range or has too many decimals.
    pub(crate) fn parse(number: &str) -> Option<Self> {
        let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
        let (is_negative, mantissa) =
            mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        // The value is `digits` times ten to the power of `power`.
        let mut power = exponent_of(exponent).checked_sub(fraction.len() as i64)?;
        let digits = || whole.bytes().chain(fraction.bytes());
        let trailing_zeros = digits().rev().take_while(|digit| *digit == b'0').count();
        let leading_zeros = digits().take_while(|digit| *digit == b'0').count();
        let count = whole.len() + fraction.len();
        if leading_zeros == count {
            return Some(Decimal(0));
        }
        power = power.checked_add(trailing_zeros as i64)?.checked_add(MAX_DECIMALS)?;
        let significant = (count - leading_zeros - trailing_zeros) as i64;
        if power < 0 || significant > MAX_DIGITS || power > MAX_DIGITS - significant {
            return None;
        }
        let significant_digits = digits().skip(leading_zeros).take(significant as usize);
        let value = significant_digits.fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
        let millionths = value * 10_i64.pow(u32::try_from(power).ok()?);
        let in_range = millionths <= MAX_MILLIONTHS;
        in_range.then_some(Decimal(if is_negative { -millionths } else { millionths }))
    }
}

/// Reads the JSON number at `start`; the byte after it, and the number if it compares. `None` if there is none.
///
/// Almost all numbers are short and plain, and are read in one go. The others are read as [`Decimal::parse`] does.
#[inline]
pub(crate) fn scan(bytes: &[u8], start: usize) -> Option<(usize, Option<Decimal>)> {
    let digit = |at: usize| bytes.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10);
    let is_negative = *bytes.get(start)? == b'-';
    let whole = start + usize::from(is_negative);
    let (mut at, mut value) = (whole, 0_i64);
    while let Some(digit) = digit(at) {
        value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
        at += 1;
    }
    let whole_digits = at - whole;
    let mut decimals = 0;
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        let fraction = at;
        while let Some(digit) = digit(at) {
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
            at += 1;
        }
        decimals = at - fraction;
        if decimals == 0 {
            return None;
        }
    }
    let is_plain = matches!(whole_digits, 1..=12)
        && decimals <= MAX_DECIMALS as usize
        && (whole_digits == 1 || bytes[whole] != b'0')
        && !matches!(bytes.get(at), Some(b'e' | b'E'));
    if !is_plain {
        let end = json::number_end(bytes, start)?;
        return Some((end, Decimal::parse(std::str::from_utf8(&bytes[start..end]).ok()?)));
    }
    let millionths = value * POWERS[MAX_DECIMALS as usize - decimals];
    let in_range = millionths <= MAX_MILLIONTHS;
    Some((at, in_range.then_some(Decimal(if is_negative { -millionths } else { millionths }))))
}

/// Ten to the power of 0 to 6.
const POWERS: [i64; MAX_DECIMALS as usize + 1] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

impl Decimal {
    /// The number in millionths, in which it is whole.
    pub(crate) fn millionths(self) -> i64 {
        self.0
    }
}

/// The exponent, or something that no number is in range with.
fn exponent_of(text: &str) -> i64 {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    digits
        .parse::<i64>()
        .map_or(sign * i64::from(i32::MAX), |exponent| sign * exponent.min(i64::from(i32::MAX)))
}

/// `numeric`: a number within bounds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Interval {
    pub(crate) low: Decimal,
    pub(crate) low_is_in: bool,
    pub(crate) high: Decimal,
    pub(crate) high_is_in: bool,
    /// As it was written, for an explanation.
    pub(crate) wording: String,
}

impl Interval {
    /// The only number within, if it was written as `=`.
    pub(crate) fn only(&self) -> Option<Decimal> {
        (self.low == self.high && self.low_is_in && self.high_is_in).then_some(self.low)
    }

    /// The first and the last number within, in millionths.
    pub(crate) fn millionths(&self) -> (i64, i64) {
        (self.low.0 + i64::from(!self.low_is_in), self.high.0 - i64::from(!self.high_is_in))
    }

    pub(crate) fn contains(&self, number: Decimal) -> bool {
        let above = number > self.low || self.low_is_in && number == self.low;
        let below = number < self.high || self.high_is_in && number == self.high;
        above && below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_in_many_spellings_is_one_number() {
        for spelling in ["300", "300.0", "3.0e2", "3E+2", "30000e-2", "0.3e3", "300.000000000"] {
            assert_eq!(Decimal::parse(spelling), Some(Decimal(300_000_000)), "{spelling}");
        }
        for zero in ["0", "-0", "0.0", "0e999999999999999999999", "-0.000e-7"] {
            assert_eq!(Decimal::parse(zero), Some(Decimal(0)), "{zero}");
        }
    }

    #[test]
    fn a_number_scanned_is_the_number_parsed() {
        let parts = ["", "0", "7", "00", "120", "-3", "-0", "500000000000", "500000000001", "1234567890123"];
        let fractions = ["", ".", ".0", ".5", ".123456", ".1234560", ".1234567", ".000000", ".0000001"];
        let exponents = ["", "e", "e0", "E+2", "e-3", "e-7", "e30"];
        for part in parts {
            for fraction in fractions {
                for exponent in exponents {
                    let number = format!("{part}{fraction}{exponent}");
                    let expected =
                        json::is_number(number.as_bytes()).then(|| (number.len(), Decimal::parse(&number)));
                    let scanned = scan(number.as_bytes(), 0).filter(|(end, _)| *end == number.len());
                    assert_eq!(scanned, expected, "{number}");
                    let text = format!("[{number}]");
                    let end = |end: usize| text.as_bytes()[end] == b']';
                    assert_eq!(
                        scan(text.as_bytes(), 1).is_some_and(|scanned| end(scanned.0)),
                        expected.is_some(),
                        "{text}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_last_digit_counts() {
        assert_eq!(Decimal::parse("499999999999.999999"), Some(Decimal(MAX_MILLIONTHS - 1)));
        assert_eq!(Decimal::parse("-499999999999.999999"), Some(Decimal(1 - MAX_MILLIONTHS)));
        assert_eq!(
            Decimal::parse("0.1").map(|tenth| tenth.0 + 200_000),
            Decimal::parse("0.3").map(|third| third.0)
        );
        assert_eq!(Decimal::parse("0.000001"), Some(Decimal(1)));
    }

    #[test]
    fn beyond_the_limits_it_is_not_comparable() {
        assert_eq!(Decimal::parse("5e11"), Some(Decimal::MAX));
        for beyond in
            ["500000000000.000001", "5.1e11", "-1e12", "0.0000001", "1e-7", "1e999999999999999999999", "1e18"]
        {
            assert_eq!(Decimal::parse(beyond), None, "{beyond}");
        }
        assert_eq!(Decimal::parse("1e-999999999999999999999"), None);
    }
}
