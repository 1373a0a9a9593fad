// The words behind each passage's vector, one passage after the other: the model is slow.
const places = new Map();
for (const place of document.querySelectorAll(".words")) {
  const same = places.get(place.dataset.id) ?? [];
  places.set(place.dataset.id, [...same, place]);
}

async function wordsOf(id) {
  const answer = await fetch(`/words?id=${encodeURIComponent(id)}`);
  if (!answer.ok) return "its vector's words could not be had";
  const { words } = await answer.json();
  return `its vector's words: ${words.map(({ word }) => word).join(", ") || "none"}`;
}

(async () => {
  for (const [id, same] of places) {
    const text = await wordsOf(id).catch(() => "its vector's words could not be had");
    for (const place of same) place.textContent = text;
  }
})();
