//! What a `.stderr` says: the errors of one case, with the place and the helps of each.

/// One error.
pub(crate) struct Pinned {
    pub(crate) mark: Mark,
    /// In the order in which a reader meets them.
    pub(crate) helps: Vec<Help>,
}

/// What the error underlines.
pub(crate) struct Mark {
    /// From 1, as printed.
    pub(crate) line: usize,
    /// In characters, from 1, as printed.
    pub(crate) column: usize,
    /// How many characters are underlined; `None` when they go over several lines.
    pub(crate) width: Option<usize>,
}

/// What to do about it.
pub(crate) enum Help {
    /// In words, which may hold code: that of our messages.
    Words(String),
    /// In words that are more than a help: a note of a trait's, or of rustc's.
    Note(String),
    /// The lines as they shall be, by rustc.
    Lines(Vec<Line>),
}

/// One line of a suggestion of rustc's.
pub(crate) enum Line {
    Insert { at: usize, text: String },
    Replace { at: usize, text: String },
    Remove { at: usize },
}

/// Reads all errors. `name` is that of the case: an error elsewhere is none of its own.
pub(crate) fn read(stderr: &str, name: &str) -> Result<Vec<Pinned>, String> {
    let lines: Vec<_> = stderr.lines().collect();
    let starts: Vec<_> = (0..lines.len())
        .filter(|&i| lines[i].starts_with("error:") || lines[i].starts_with("error["))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([lines.len()]);
    starts.iter().zip(ends).map(|(&start, end)| error(&lines[start..end], name)).collect()
}

fn error(lines: &[&str], name: &str) -> Result<Pinned, String> {
    let place = lines.iter().position(|line| line.trim_start().starts_with("--> "));
    let place = place.ok_or_else(|| format!("no place in: {}", lines[0]))?;
    let mark = mark(&lines[place..], name)?;
    let mut helps = Vec::new();
    for line in &lines[1..place] {
        helps.extend(line.trim_start().strip_prefix("help: ").map(|h| Help::Words(h.to_owned())));
    }
    for (index, line) in lines.iter().enumerate().skip(place) {
        let text = line.trim_start();
        if let Some(note) = text.strip_prefix("= note: ").or(text.strip_prefix("= help: ")) {
            helps.push(Help::Note(note.to_owned()));
        } else if line.starts_with("help: ") {
            let suggestion = suggestion(&lines[index + 1..]);
            helps.extend((!suggestion.is_empty()).then_some(Help::Lines(suggestion)));
        }
    }
    Ok(Pinned { mark, helps })
}

// `--> cases/name.rs:3:17`, some lines of the source, and `  |     ^^^^` below.
fn mark(lines: &[&str], name: &str) -> Result<Mark, String> {
    let place = lines[0].trim_start().trim_start_matches("--> ");
    let numbers = place.strip_prefix(&format!("cases/{name}.rs:"));
    let numbers = numbers.and_then(|numbers| numbers.split_once(':'));
    let numbers =
        numbers.and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
    let (line, column) = numbers.ok_or_else(|| format!("the error is at {place}"))?;
    // The first line below the place that underlines; over several lines it is drawn with `_`.
    let drawn = |line: &&&str| line.contains('^') && line.trim_start().starts_with('|');
    let underline = lines[1..].iter().take_while(|line| line.contains('|')).find(drawn);
    let underline = underline.map(|line| line.trim_start().trim_start_matches(['|', ' ']));
    let width = underline
        .filter(|line| line.starts_with(['^', '-']))
        .map(|line| line.chars().take_while(|c| matches!(c, '^' | '-')).count());
    Ok(Mark { line, column, width })
}

// `3 + #[derive(Clone)]` is a new line; `8 | ..` with `+` or `~` below it is the line anew.
fn suggestion(lines: &[&str]) -> Vec<Line> {
    let mut all: Vec<Line> = Vec::new();
    let lines: Vec<_> = lines.iter().take_while(|line| snippet(line).is_some()).collect();
    for (index, line) in lines.iter().enumerate() {
        let Some((Some(at), sign, code)) = snippet(line) else { continue };
        let below = lines.get(index + 1).and_then(|line| snippet(line));
        let changed = below.is_some_and(|(number, _, rest)| {
            number.is_none()
                && !rest.trim().is_empty()
                && rest.trim().chars().all(|c| " +~-".contains(c))
        });
        let text = code.to_owned();
        match sign {
            '+' => {
                match all.iter_mut().find(|line| matches!(line, Line::Remove { at: a } if *a == at))
                {
                    Some(removed) => *removed = Line::Replace { at, text },
                    None => all.push(Line::Insert { at, text }),
                }
            }
            '-' => all.push(Line::Remove { at }),
            _ if changed => all.push(Line::Replace { at, text }),
            _ => {}
        }
    }
    all
}

// The number, the sign and the code of `8 | code`, `8 + code` or `  | ++`.
fn snippet(line: &str) -> Option<(Option<usize>, char, &str)> {
    let text = line.trim_start();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let rest = text[digits..].trim_start_matches(' ');
    let sign = rest.chars().next().filter(|c| "|+-~".contains(*c))?;
    let code = rest[1..].strip_prefix(' ').unwrap_or(&rest[1..]);
    Some((text[..digits].parse().ok(), sign, code))
}
