//! The table in docs/ARCHITECTURE.md says which folder of `src/` may use which other one; what the code uses is
//! read from its `crate::` and `super::` paths. Headings of docs/METHOD.md that code cites must exist.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A row of the table.
#[derive(Debug)]
struct Folder {
    name: String,
    /// Folders that its code may use.
    code: BTreeSet<String>,
    /// Folders that its tests may use besides.
    tests: BTreeSet<String>,
}

/// The rows `| folder | contents | may use | tests may also use |` of docs/ARCHITECTURE.md.
fn table() -> Vec<Folder> {
    let text = read(&root().join("docs/ARCHITECTURE.md"));
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.strip_suffix('|'))
        .map(|line| line.split('|').map(str::trim).collect())
        .filter(|cells: &Vec<&str>| cells.len() == 4 && cells[0].ends_with("/`"))
        .collect();
    let names: Vec<&str> = rows.iter().map(|cells| cells[0].trim_end_matches("/`")).collect();
    let folders = |cell: &str| match cell {
        "" => BTreeSet::new(),
        "all" => names.iter().map(|name| (*name).to_owned()).collect(),
        list => list.split(',').map(|name| name.trim().to_owned()).collect(),
    };
    rows.iter()
        .zip(&names)
        .map(|(cells, name)| Folder {
            name: (*name).to_owned(),
            code: folders(cells[2]),
            tests: folders(cells[3]),
        })
        .collect()
}

/// That some line of code names a folder other than its own.
#[derive(Debug, PartialEq)]
struct Use {
    file: String,
    line: usize,
    from: String,
    to: String,
    /// Under `#[cfg(test)]` or `#[test]`.
    is_test: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    Word(&'a str),
    Sign(char),
}

/// Words and signs of Rust code with their lines, from 1; comments, literals and lifetimes are left out.
fn tokens(code: &str) -> Vec<(usize, Token<'_>)> {
    let bytes = code.as_bytes();
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    while at < bytes.len() {
        let rest = &code[at..];
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = literal(rest) {
            length
        } else if is_word(bytes[at]) {
            let length = rest.bytes().take_while(|&byte| is_word(byte)).count();
            tokens.push((line, Token::Word(&rest[..length])));
            length
        } else {
            let sign = rest.chars().next().unwrap();
            if !sign.is_whitespace() {
                tokens.push((line, Token::Sign(sign)));
            }
            sign.len_utf8()
        };
        line += rest[..length].matches('\n').count();
        at += length;
    }
    tokens
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn block_comment(code: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < code.len() {
        if code[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if code[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += code[at..].chars().next().unwrap().len_utf8();
        }
    }
    at
}

/// Length of the string, character or lifetime that `code` begins with.
fn literal(code: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r"].into_iter().find(|prefix| {
        code.strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with('"') || prefix.ends_with('r') && hashes_and_quote(rest))
    });
    let start = prefix.map_or(0, str::len);
    let body = &code[start..];
    if prefix.is_some_and(|prefix| prefix.ends_with('r')) {
        let hashes = body.bytes().take_while(|&byte| byte == b'#').count();
        let end = format!("\"{}", "#".repeat(hashes));
        let inside = hashes + 1;
        return Some(start + inside + body[inside..].find(&end)? + end.len());
    }
    if let Some(after) = body.strip_prefix('"') {
        return Some(start + 1 + end_of_quoted(after, '"'));
    }
    if let Some(after) = code.strip_prefix('\'') {
        let mut chars = after.chars();
        let (first, second) = (chars.next()?, chars.next());
        // 'a and '_ are lifetimes unless a quote follows.
        if first != '\\' && second != Some('\'') {
            return Some(1 + after.bytes().take_while(|&byte| is_word(byte)).count());
        }
        return Some(1 + end_of_quoted(after, '\''));
    }
    None
}

fn hashes_and_quote(code: &str) -> bool {
    code.starts_with('#') && code.trim_start_matches('#').starts_with('"')
}

/// Bytes up to and with the closing quote.
fn end_of_quoted(code: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, sign) in code.char_indices() {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if sign == quote => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// A file of the module tree that begins at `src/lib.rs`.
struct Source {
    path: PathBuf,
    /// Its module's path, without the crate.
    module: Vec<String>,
    is_test: bool,
}

/// Everything that the library's files use, and the names of its folders.
fn uses() -> Vec<Use> {
    let mut uses = Vec::new();
    let first = Source { path: root().join("src/lib.rs"), module: Vec::new(), is_test: false };
    let mut sources = VecDeque::from([first]);
    while let Some(source) = sources.pop_front() {
        let code = read(&source.path);
        let tokens = tokens(&code);
        read_file(&source, &tokens, &mut uses, &mut sources);
    }
    uses
}

fn read_file(
    source: &Source,
    tokens: &[(usize, Token)],
    uses: &mut Vec<Use>,
    sources: &mut VecDeque<Source>,
) {
    use Token::{Sign, Word};
    let token = |i: usize| tokens.get(i).map(|t| t.1);
    let is_path = |i: usize| token(i) == Some(Sign(':')) && token(i + 1) == Some(Sign(':'));
    let file = source.path.strip_prefix(root()).unwrap().display().to_string();
    // Modules written inside of the file, with the depth of braces that they end at.
    let mut inline: Vec<(String, usize)> = Vec::new();
    let (mut depth, mut test_until) = (0, 0);
    for (i, &(line, current)) in tokens.iter().enumerate() {
        match current {
            Sign('{') => depth += 1,
            Sign('}') => {
                depth -= 1;
                inline.retain(|(_, end)| *end < depth + 1);
            }
            Sign('#') if is_test_attribute(tokens, i) => test_until = test_until.max(end_of_item(tokens, i)),
            _ => {}
        }
        let is_test = source.is_test || i < test_until;
        let module =
            || source.module.iter().cloned().chain(inline.iter().map(|m| m.0.clone())).collect::<Vec<_>>();
        match (current, token(i + 1)) {
            (Word("mod"), Some(Word(name))) => match token(i + 2) {
                Some(Sign(';')) => {
                    let module = [module(), vec![name.to_owned()]].concat();
                    sources.push_back(Source { path: file_of(&module), module, is_test });
                }
                Some(Sign('{')) => inline.push((name.to_owned(), depth + 1)),
                _ => {}
            },
            (Word("crate" | "super"), _) if is_path(i + 1) && !(i > 1 && is_path(i - 2)) => {
                let mut next = i + 3;
                let mut ups = 1;
                while current == Word("super") && token(next) == Some(Word("super")) && is_path(next + 1) {
                    (next, ups) = (next + 3, ups + 1);
                }
                let module = module();
                if current == Word("super") && ups < module.len() {
                    continue;
                }
                let Some(from) = module.first() else { continue };
                for to in first_names(tokens, next) {
                    if to != *from {
                        let (file, from) = (file.clone(), from.clone());
                        uses.push(Use { file, line, from, to, is_test });
                    }
                }
            }
            _ => {}
        }
    }
}

/// The first name of a path, or of each path of a group in braces, that begins at token `i`.
fn first_names(tokens: &[(usize, Token)], i: usize) -> Vec<String> {
    let mut names = Vec::new();
    match tokens.get(i) {
        Some((_, Token::Word(name))) => names.push((*name).to_owned()),
        Some((_, Token::Sign('{'))) => {
            let (mut depth, mut begins) = (0, true);
            for (_, token) in &tokens[i..] {
                match token {
                    Token::Sign('{') => depth += 1,
                    Token::Sign('}') => depth -= 1,
                    Token::Sign(',') if depth == 1 => begins = true,
                    Token::Word(name) if begins && depth == 1 => {
                        names.push((*name).to_owned());
                        begins = false;
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
        }
        _ => {}
    }
    names
}

/// Whether the attribute at token `i` (`#`) is `#[test]` or a `#[cfg(...)]` that asks for tests.
fn is_test_attribute(tokens: &[(usize, Token)], i: usize) -> bool {
    let words = attribute(tokens, i).iter().filter_map(|(_, token)| match token {
        Token::Word(word) => Some(*word),
        Token::Sign(_) => None,
    });
    let words: Vec<&str> = words.collect();
    words == ["test"] || words.first() == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not")
}

/// The tokens between the brackets of the attribute that begins at `i`.
fn attribute<'t, 'a>(tokens: &'t [(usize, Token<'a>)], i: usize) -> &'t [(usize, Token<'a>)] {
    if tokens.get(i + 1).map(|t| t.1) != Some(Token::Sign('[')) {
        return &[];
    }
    let mut depth = 0;
    for (offset, (_, token)) in tokens[i + 1..].iter().enumerate() {
        match token {
            Token::Sign('[') => depth += 1,
            Token::Sign(']') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &tokens[i + 2..i + 1 + offset];
        }
    }
    &[]
}

/// Where the item ends that has the attribute at token `i`: behind its `;` or its closing brace.
fn end_of_item(tokens: &[(usize, Token)], i: usize) -> usize {
    let mut depth = 0;
    let start = i + attribute(tokens, i).len() + 3;
    for (offset, (_, token)) in tokens[start..].iter().enumerate() {
        match token {
            Token::Sign('{' | '(' | '[') => depth += 1,
            Token::Sign(')' | ']') => depth -= 1,
            Token::Sign('}') => {
                depth -= 1;
                if depth == 0 {
                    return start + offset + 1;
                }
            }
            Token::Sign(';') if depth == 0 => return start + offset + 1,
            _ => {}
        }
    }
    tokens.len()
}

fn file_of(module: &[String]) -> PathBuf {
    let path = root().join("src").join(module.join("/"));
    let alone = path.with_extension("rs");
    if alone.is_file() { alone } else { path.join("mod.rs") }
}

#[test]
fn every_folder_stands_once_in_the_table_above_those_that_use_it() {
    let mut listed: Vec<String> = Vec::new();
    for folder in table() {
        for used in &folder.code {
            // "all" includes the folder itself.
            let lower = listed.contains(used) || *used == folder.name;
            assert!(lower, "the table lets {} use {used}, which does not stand above it", folder.name);
        }
        listed.push(folder.name);
    }
    let on_disk = std::fs::read_dir(root().join("src")).unwrap().map(|entry| entry.unwrap().path());
    let mut on_disk: Vec<String> = on_disk
        .filter(|path| path.is_dir() || !path.ends_with("lib.rs") && !path.ends_with("main.rs"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    on_disk.sort();
    listed.sort();
    assert_eq!(listed, on_disk, "the table (left) and the folders of src/ (right) differ");
}

#[test]
fn folders_use_only_what_the_table_allows() {
    let table: BTreeMap<String, Folder> =
        table().into_iter().map(|folder| (folder.name.clone(), folder)).collect();
    let uses = uses();
    assert!(uses.len() > 300, "only {} uses were found; is the code still read?", uses.len());
    let forbidden: Vec<String> = uses
        .iter()
        .filter(|u| {
            let Some(folder) = table.get(&u.from) else { return true };
            !(folder.code.contains(&u.to) || u.is_test && folder.tests.contains(&u.to))
        })
        .map(|u| {
            let part = if u.is_test { " (tests)" } else { "" };
            format!("{}:{}: {} -> {}{part}", u.file, u.line, u.from, u.to)
        })
        .collect();
    assert!(
        forbidden.is_empty(),
        "the table in docs/ARCHITECTURE.md does not allow these arrows; turn them round, or, if they point \
         downward, add them to the table:\n{}",
        forbidden.join("\n")
    );
}

/// All files in these folders of the repository, and in the folders in them.
fn files_in(folders: &[&str]) -> Vec<PathBuf> {
    let mut folders: VecDeque<PathBuf> = folders.iter().map(|name| root().join(name)).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop_front() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push_back(path) } else { files.push(path) }
        }
    }
    files
}

#[test]
fn a_public_type_s_name_occurs_once() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in files_in(&["src"]) {
        // Items of a file's own level begin a line; associated types are indented.
        let text = read(&path);
        for line in text.lines().filter(|line| line.starts_with("pub ") || line.starts_with("pub(crate) ")) {
            let mut words = line.split_whitespace().skip(1);
            if !matches!(words.next(), Some("struct" | "enum" | "trait" | "type" | "union")) {
                continue;
            }
            let name = words.next().unwrap_or_default();
            let end = name.find(|c: char| !c.is_alphanumeric()).unwrap_or(name.len());
            places.entry(name[..end].to_owned()).or_default().push(path.display().to_string());
        }
    }
    assert!(places.contains_key("PoseNet"), "no types were read");
    places.retain(|_, files| files.len() > 1);
    assert!(places.is_empty(), "one name, several types: {places:#?}");
}

#[test]
fn the_method_s_headings_that_code_cites_exist() {
    let page = read(&root().join("docs/METHOD.md"));
    let headings: BTreeSet<&str> =
        page.lines().filter(|l| l.starts_with('#')).map(|l| l.trim_start_matches('#').trim()).collect();
    let mut missing = Vec::new();
    let mut cited = 0;
    for path in files_in(&["src", "tests", "scripts", "benches"]) {
        if !path.extension().is_some_and(|e| e == "rs" || e == "py") || path.ends_with("architecture.rs") {
            continue;
        }
        // A citation may go on in the next line of a comment.
        let lines: Vec<String> = read(&path)
            .lines()
            .map(|l| l.trim().trim_start_matches(['/', '!', '#']).trim().to_owned())
            .collect();
        for citation in lines.join(" ").split("docs/METHOD.md, \"").skip(1) {
            cited += 1;
            let heading = citation.split('"').next().unwrap_or_default();
            if !headings.contains(heading) {
                missing.push(format!("{}: \"{heading}\"", path.display()));
            }
        }
    }
    assert!(cited > 0, "no citation was read");
    assert!(missing.is_empty(), "docs/METHOD.md has no such heading:\n{}", missing.join("\n"));
}

#[test]
fn paths_are_read_from_code_alone() {
    let code = r##"
        //! crate::a::b in a comment
        use crate::{b, c::{d, e}, f as g};
        fn f<'a>(x: &'a str) { let s = "crate::h"; let c = '"'; let r = r#"crate::i"#; super::super::j::k(); }
        #[cfg(test)]
        mod tests { use crate::l; #[test] fn t() { super::super::super::m(); super::n(); } }
        pub(crate) fn g() { crate::o::p() }
    "##;
    let source =
        Source { path: root().join("src/x/y.rs"), module: vec!["x".into(), "y".into()], is_test: false };
    let mut uses = Vec::new();
    read_file(&source, &tokens(code), &mut uses, &mut VecDeque::new());
    let found: Vec<(usize, &str, bool)> = uses.iter().map(|u| (u.line, u.to.as_str(), u.is_test)).collect();
    let expected = [(3, "b"), (3, "c"), (3, "f"), (4, "j"), (6, "l"), (6, "m"), (7, "o")];
    assert_eq!(found, expected.map(|(line, to)| (line, to, line == 6)));
    assert!(uses.iter().all(|u| u.from == "x" && u.file == "src/x/y.rs"));
}
