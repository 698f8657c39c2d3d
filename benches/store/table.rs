//! Figures for people and for programs.

use serde_json::{Map, Value, json};

pub(crate) struct Table {
    title: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>, columns: &[&'static str]) -> Self {
        Self { title: title.into(), columns: columns.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: Vec<Value>) {
        assert_eq!(cells.len(), self.columns.len(), "a cell for each column");
        self.rows.push(cells);
    }

    pub(crate) fn print(&self) {
        let text: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(written).collect()).collect();
        let width = |column: usize| {
            let cells = text.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            cells.max(self.columns[column].chars().count())
        };
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let padded: Vec<String> = cells
                .enumerate()
                .map(|(column, cell)| {
                    let width = width(column);
                    if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                })
                .collect();
            println!("{}", padded.join("  ").trim_end());
        };
        println!("\n{}", self.title);
        line(&mut self.columns.iter().copied());
        for row in &text {
            line(&mut row.iter().map(String::as_str));
        }
    }
}

fn written(cell: &Value) -> String {
    match cell {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => match number.as_f64().unwrap_or_default() {
            large if large.abs() >= 100.0 => format!("{large:.0}"),
            medium if medium.abs() >= 10.0 => format!("{medium:.1}"),
            small => format!("{small:.2}"),
        },
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

pub(crate) fn json(tables: &[Table]) -> String {
    let all: Vec<Value> = tables
        .iter()
        .map(|table| {
            let row = |row: &Vec<Value>| -> Map<String, Value> {
                table.columns.iter().map(|name| (*name).to_owned()).zip(row.iter().cloned()).collect()
            };
            json!({ "title": table.title, "rows": table.rows.iter().map(row).collect::<Vec<_>>() })
        })
        .collect();
    serde_json::to_string_pretty(&all).expect("plain values")
}
