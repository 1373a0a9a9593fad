// Searches without loading the page anew, so that a server that has stopped can be reported,
// and fetches the words behind a vector when they are asked for.
const message = document.getElementById("message");
const stopped = "The server does not answer. Was it stopped? Start it again with: i3-pyserini serve";
let last = 0; // the newest request: answers to older ones are dropped

async function show(address, push, first) {
  const number = ++last;
  document.body.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(address);
    const html = await answer.text();
    if (number !== last) return;
    const page = new DOMParser().parseFromString(html, "text/html");
    if (!page.querySelector("main")) throw new Error(html.slice(0, 200));
    if (push) history.pushState(null, "", address);
    swap(page);
    if (first) focusFirst(first);
    else if (push) scrollTo(0, 0);
  } catch (error) {
    if (number === last) message.textContent = error instanceof TypeError ? stopped : `The server says: ${error.message}`;
  } finally {
    if (number === last) document.body.removeAttribute("aria-busy");
  }
}

function swap(page) {
  const focused = document.activeElement?.id;
  for (const name of ["form", "main", "footer"]) {
    document.querySelector(name).replaceWith(document.adoptNode(page.querySelector(name)));
  }
  document.title = page.title;
  message.textContent = page.getElementById("message").textContent;
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

// The first of the hits that were added, for the keyboard and for screen readers.
function focusFirst(rank) {
  const hits = [...document.querySelectorAll(`li[id$="-${rank}"]`)];
  hits.find((hit) => hit.offsetParent)?.focus({ preventScroll: true });
}

document.addEventListener("submit", (event) => {
  event.preventDefault();
  const given = new URLSearchParams(new FormData(event.target));
  document.activeElement?.blur(); // a phone hides its keyboard
  show(`/?${given}`, true);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-swap]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  show(link.getAttribute("href"), true, link.dataset.first);
});

addEventListener("popstate", () => show(location.pathname + location.search, false));

// The event does not bubble, so it is caught on its way down.
document.addEventListener("toggle", (event) => {
  const place = event.target;
  for (const [kind, fill] of [["words", showWords], ["windows", showWindows]]) {
    if (place.matches?.(`details.${kind}`) && place.open && !place.dataset.shown) fetchInto(place, kind, fill);
  }
}, true);

async function fetchInto(place, kind, fill) {
  const text = place.querySelector("p");
  text.textContent = "Loading …";
  place.dataset.shown = "yes";
  try {
    const answer = await fetch(`/${kind}?id=${encodeURIComponent(place.dataset.id)}`);
    const found = await answer.json();
    if (found.error) throw new Error(found.error);
    fill(text, found[kind]);
  } catch (error) {
    delete place.dataset.shown; // opened again, it tries again
    text.textContent = error instanceof TypeError ? stopped : `Its ${kind} are not available: ${error.message}`;
  }
}

function showWindows(place, windows) {
  const best = place.parentElement.dataset.window;
  const shown = (number) => number.toLocaleString("en"); // as the page writes it
  place.textContent = "";
  for (const one of windows) {
    const head = document.createElement(one.id === best ? "b" : "span");
    const where = one.start === null ? "" : `, characters ${shown(one.start)} to ${shown(one.end)}`;
    head.textContent = `${shown(one.number)}${where}: `;
    place.append(head, one.text ?? "(not in the collection)", "\n");
  }
}

function showWords(place, words) {
  const query = document.getElementById("q").defaultValue.toLowerCase();
  const asked = new Set(query.match(/[\p{L}\p{M}\p{N}_]+/gu));
  const unspaced = /^[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}\p{M}ー]+$/u;
  place.textContent = words.length ? "" : "No words.";
  for (const { word, weight } of words) {
    const found = asked.has(word.toLowerCase()) || (unspaced.test(word) && query.includes(word));
    const shown = document.createElement(found ? "mark" : "span");
    shown.textContent = word;
    shown.title = `expected ${weight.toPrecision(2)} times`;
    place.append(shown, " ");
  }
}
