//! The report as a page that needs nothing but itself.

use super::Report;
use crate::problem::{During as _, Problem};

const PAGE: &str = include_str!("page.html");
/// Where the report goes.
const PLACE: &str = r#"<script id="report" type="application/json">{}</script>"#;

/// The page of a report.
///
/// # Errors
/// None that could be caused from outside.
pub fn page(report: &Report) -> Result<String, Problem> {
    // Nothing in the report can end the element that it stands in.
    let json = serde_json::to_string(report).during("writing the report")?.replace('<', "\\u003c");
    Ok(PAGE.replacen(PLACE, &PLACE.replacen("{}", &json, 1), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_holds_the_report_and_nothing_gets_out_of_it() {
        let scenario = Some("</script><script>alert(1)</script>".to_owned());
        let report = Report { scenario, ..Report::default() };
        let page = page(&report).unwrap();
        assert!(!page.contains("<script>alert(1)"));
        let (_, rest) = page.split_once(r#"<script id="report" type="application/json">"#).unwrap();
        let (json, _) = rest.split_once("</script>").unwrap();
        assert_eq!(serde_json::from_str::<Report>(json).unwrap(), report);
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        for elsewhere in ["src=", "href=\"http", "@import", "url(", "fetch("] {
            assert!(!PAGE.contains(elsewhere), "{elsewhere}");
        }
    }
}
