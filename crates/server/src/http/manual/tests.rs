use super::*;

#[test]
fn links_between_documents_lead_to_pages() {
    for (link, of, expected) in [
        ("concepts.md", "start", "/docs/concepts"),
        ("operating.md#backup", "concepts", "/docs/operating#backup"),
        ("reference/states.md", "concepts", "/docs/reference/states"),
        (
            "problems.md",
            "reference/metrics",
            "/docs/reference/problems",
        ),
        (
            "../figures.md#x",
            "reference/performance",
            "/docs/figures#x",
        ),
        ("#words", "concepts", "#words"),
        ("/openapi.json", "start", "/openapi.json"),
    ] {
        assert_eq!(target(link, of), expected);
    }
}

#[test]
fn no_link_of_a_document_leads_nowhere() {
    for document in ALL {
        let page = document.body();
        let links = page.split("href=\"").skip(1);
        for link in links.filter_map(|rest| rest.split('"').next()) {
            let Some(path) = link.strip_prefix("/docs/") else {
                continue;
            };
            let (path, to) = path.split_once('#').unwrap_or((path, ""));
            let name = document.name;
            let found = super::document(path)
                .unwrap_or_else(|| panic!("{name} links to {link}, which is no page"));
            let known = to.is_empty() || found.body().contains(&format!("id=\"{to}\""));
            assert!(known, "{name} links to {link}, which is no heading");
        }
    }
}

#[test]
fn every_file_of_the_manual_is_served() {
    let docs = format!("{}/../../docs", env!("CARGO_MANIFEST_DIR"));
    for folder in ["", "reference/", "stories/"] {
        let files = std::fs::read_dir(format!("{docs}/{folder}")).expect("a folder");
        for file in files {
            let name = file.expect("readable").file_name();
            let name = name.to_str().expect("a name in ASCII");
            if let Some(name) = name.strip_suffix(".md") {
                let name = format!("{folder}{name}");
                assert!(document(&name).is_some(), "docs/{name}.md is not served");
            }
        }
    }
}
