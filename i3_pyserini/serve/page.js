// The words behind each passage's vector, one passage after the other: the model is slow.
const query = document.getElementById("q").defaultValue.toLowerCase();
const asked = new Set(query.match(/[\p{L}\p{N}_]+/gu));
const places = new Map();
for (const place of document.querySelectorAll(".words")) {
  place.textContent = "pseudo-query …";
  place.hidden = false;
  places.set(place.dataset.id, [...(places.get(place.dataset.id) ?? []), place]);
}

async function wordsOf(id) {
  const answer = await fetch(`/words?id=${encodeURIComponent(id)}`);
  if (!answer.ok) throw new Error(answer.statusText);
  return (await answer.json()).words;
}

function show(place, words) {
  place.textContent = words.length ? "pseudo-query " : "pseudo-query: no words";
  for (const { word, weight } of words) {
    const shown = document.createElement(asked.has(word.toLowerCase()) ? "mark" : "span");
    shown.textContent = word;
    shown.title = `expected ${weight.toPrecision(2)} times`;
    place.append(shown, " ");
  }
}

(async () => {
  for (const [id, same] of places) {
    try {
      const words = await wordsOf(id);
      for (const place of same) show(place, words);
    } catch {
      for (const place of same) place.textContent = "pseudo-query: its words are not available";
    }
  }
})();
