(() => {
  const box = document.getElementById("q");
  if (!box) return;
  const rows = [...document.querySelectorAll("tr[data-text]")];
  const papers = [...document.querySelectorAll("li[data-text]")];
  const chips = [...document.querySelectorAll("button[data-verdict]")];
  const found = document.getElementById("found");
  const matches = (text, words) => words.every((word) => text.includes(word));

  function filter() {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = chips.filter((c) => c.getAttribute("aria-pressed") === "true").map((c) => c.dataset.verdict);
    let shown = 0;
    for (const row of rows) {
      row.hidden = !(matches(row.dataset.text, words) && (!wanted.length || wanted.includes(row.dataset.verdict)));
      shown += !row.hidden;
    }
    for (const body of document.querySelectorAll("table.theorems tbody")) {
      const visible = [...body.rows].filter((row) => !row.hidden);
      body.hidden = !visible.length;
      [...body.rows].forEach((row) => row.classList.toggle("lead", row === visible[0]));
    }
    for (const section of document.querySelectorAll("section.family"))
      section.hidden = ![...section.querySelectorAll("tbody")].some((body) => !body.hidden);
    for (const paper of papers) paper.hidden = !matches(paper.dataset.text, words);
    const narrowed = words.length || wanted.length;
    found.textContent = narrowed ? `${shown} of ${rows.length} theorems` : "";
    history.replaceState(null, "", words.length ? "#q=" + encodeURIComponent(box.value) : "#");
  }

  box.addEventListener("input", filter);
  for (const chip of chips)
    chip.addEventListener("click", () => {
      chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
      filter();
    });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== box) {
      event.preventDefault();
      box.focus();
    }
  });
  if (location.hash.startsWith("#q=")) {
    box.value = decodeURIComponent(location.hash.slice(3));
    filter();
  }
})();
