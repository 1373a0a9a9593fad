"""The mistakes that `tests.worlds.mutants` plants, and the routes that have to find them."""

from dataclasses import dataclass

Edit = tuple[str, str, str]  # file in the package, what is there, what is put instead


@dataclass(frozen=True)
class Mutant:
    """A mistake.

    Attributes:
        kind: what kind it is of.
        edits: they plant it.
        routes: the routes that have to find it; empty for those of CI.
    """

    kind: str
    edits: tuple[Edit, ...]
    routes: tuple[str, ...] = ()


def mistake(kind: str, *edit: str, by: str = "") -> Mutant:
    """A mistake of one edit or more: file, old, new, file, old, new, …"""
    edits = zip(edit[::3], edit[1::3], edit[2::3], strict=True)
    return Mutant(kind, tuple((file, old, new) for file, old, new in edits), tuple(by.split()))


MUTANTS = [
    mistake(
        "a header is taken for a query",
        "formats/topics.py",
        "if number == 0 and _is_header(cells):",
        "if number < 0:",
    ),
    mistake(
        "a third column of topics is cut off",
        "formats/topics.py",
        "    if len(cells) != (len(header) or PAIR):",
        "    if len(cells) < (len(header) or PAIR):",
    ),
    mistake(
        "the parent document's id is preferred to the passage's",
        "formats/passage_fields.py",
        'ID_FIELDS = ("id", "_id", "pid", "passage_id", "docid",',
        'ID_FIELDS = ("id", "_id", "docid", "pid", "passage_id",',
    ),
    mistake(
        "a path is a glob pattern",
        "formats/columns.py",
        "            glob=False,",
        "            glob=True,",
    ),
    mistake(
        "the query's prompt is dropped",
        "model/texts.py",
        "return [prompt + query for query in queries]",
        "return list(queries)",
    ),
    mistake(
        "one query route pools the first token where the mean is declared",
        "encode/query_encoders.py",
        'if self.settings.pooling == "cls":',
        "if self.settings.pooling:",
    ),
    mistake(
        "one query route does not normalise",
        "encode/query_encoders.py",
        "        if self.settings.normalize:",
        "        if not self.settings:",
    ),
    mistake(
        "titles are dropped by one reader",
        "formats/textstore.py",
        "yield row, passage.docid, passage.title, passage.text, extra",
        "yield row, passage.docid, None, passage.text, extra",
    ),
    mistake(
        "a last line without an end is dropped",
        "formats/passages.py",
        "                for line in file:\n",
        '                for line in (one for one in file if one.endswith(b"\\n")):\n',
    ),
    mistake(
        "compression is seen by the name alone",
        "formats/compression.py",
        "    if start.startswith(GZIP):",
        '    if start.startswith(GZIP) and str(raw.name).endswith(".gz"):',
    ),
    mistake(
        "ties are in ascending order of ids",
        "formats/hits.py",
        "key=docids.__getitem__, reverse=True)",
        "key=docids.__getitem__)",
    ),
    mistake(
        "a level below zero counts as relevant",
        "formats/qrels.py",
        'return judgements.table.select(*PAIR, pl.col("relevance").cast(pl.Int64), LINE)',
        'return judgements.table.select(*PAIR, pl.col("relevance").cast(pl.Int64).abs(), LINE)',
    ),
    mistake(
        "a judgement that is there twice counts twice",
        "formats/qrels.py",
        "    if repeated(table):",
        "    if not len(table):",
    ),
    mistake(
        "shards are merged in the order in which they are named",
        "encode/merge.py",
        "return [found[number] for number in range(first.shard.number)]",
        "return list(found.values())",
    ),
    mistake(
        "an encoding is resumed with other settings",
        "encode/job.py",
        "    if changes := differences(before, now):",
        "    if changes := []:",
        "formats/parts.py",
        'if header.get("job") != job or header',
        "if header",
    ),
    mistake(
        "lower-casing is skipped by one query route",
        "encode/query_encoders.py",
        "    if settings.lowercase:",
        "    if not settings:",
    ),
    mistake(
        "queries are cut one id too early by one route",
        "encode/query_encoders.py",
        "self.settings.query_prompt), self._length)",
        "self.settings.query_prompt), self._length - 1)",
    ),
    mistake(
        "batches are padded on the left",
        "model/texts.py",
        "padded[row, : len(one)], mask[row, : len(one)] = one, 1",
        "padded[row, -len(one) :], mask[row, -len(one) :] = one, 1",
    ),
    mistake(
        "the last hit is lost where all passages are asked for",
        "search/searcher.py",
        "min(k, self.count)\n",
        "min(k, self.count - 1)\n",
    ),
    mistake(
        "a run whose lines are in another order is ranked as it stands",
        "formats/runs.py",
        "    if (follows & (scores[1:] > scores[:-1])).any():",
        "    if False:",
    ),
    mistake(
        "padding counts in the mean of a query",
        "encode/query_encoders.py",
        "weights = mask[:, :, None].astype(np.float32)",
        "weights = np.ones_like(mask)[:, :, None].astype(np.float32)",
    ),
    mistake(
        "a line on a shard's boundary is in two shards",
        "encode/scan.py",
        "if (place.file, place.offset) >= (end.file, end.offset):",
        "if (place.file, place.offset) > (end.file, end.offset + 9):",
    ),
    mistake(
        "only the first member of a gzip file is read",
        "formats/compression.py",
        'content = cast("BinaryIO", gzip.GzipFile(fileobj=raw))',
        'content = cast("BinaryIO", io.BytesIO(zlib.decompressobj(31).decompress(raw.read())))',
        by="readers",
    ),
    mistake(
        "unjudged passages are kept in a condensed list",
        "eval/judged.py",
        'on=PAIR, how="semi", maintain_order',
        'on="query_id", how="semi", maintain_order',
        by="evaluation",
    ),
    mistake(
        "hits of several shards have the ids of another order",
        "search/searcher.py",
        'Docids.read(path / "docid") for path in self.parts}',
        'Docids.read(path / "docid") for path in reversed(self.parts)}',
        by="shards",
    ),
    mistake(
        "titles are dropped by the API of texts",
        "encode/encoder.py",
        'titles.append(passage.get("title"))',
        "titles.append(None)",
        by="one_command",
    ),
    mistake(
        "a changed title is no change",
        "encode/update.py",
        "content_hash(passage, self._titles)",
        "content_hash(passage, False)",
        by="updates",
    ),
    mistake(
        "documents are ranked by the first windows that are found",
        "search/documents.py",
        "            if depth == self._source.most:\n",
        "            if depth:\n",
        by="windows",
    ),
    mistake(
        "the mean of three windows is one of four",
        "formats/documents.py",
        "counted = place < BEST",
        "counted = place <= BEST",
        by="windows",
    ),
    mistake(
        "windows repeat less than they should",
        "formats/windows.py",
        "            if repeated > overlap:",
        "            if repeated >= overlap:",
        by="words",
    ),
    mistake(
        "shortened queries lose unit length",
        "formats/first_dimensions.py",
        "return shortened(vectors, size, bool(manifest.encoder.normalize))",
        "return shortened(vectors, size, False)",
        by="shortened",
    ),
    mistake(
        "half precision is a byte",
        "search/index/types.py",
        '"fp16": "SQfp16"',
        '"fp16": "SQ8"',
        by="types",
    ),
    mistake(
        "a byte is the lower end of its step",
        "formats/quantized.py",
        "np.float32(0.5)",
        "np.float32(0.0)",
        by="quantized",
    ),
    mistake(
        "vectors are exported in half precision",
        "formats/index_export.py",
        'block.vectors.astype("float32")}',
        'block.vectors.astype("float16").astype("float32")}',
        by="exports",
    ),
    mistake(
        "a word that a query has twice counts once",
        "search/word_index.py",
        "weight = times * np.log1p(",
        "weight = np.log1p(",
        by="bm25",
    ),
    mistake(
        "a run that lacks a passage adds nothing",
        "search/fusion.py",
        "np.where(np.isnan(parts), lowest, parts)",
        "np.where(np.isnan(parts), 0.0, parts)",
        by="fused",
    ),
    mistake(
        "words that tie are in the order of rows",
        "serve/bm25.py",
        "        named.sort(key=lambda hit: hit[0], reverse=True)\n",
        "",
        by="http",
    ),
    mistake(
        "titles are dropped by an exported model",
        "encode/exported_encoders.py",
        "return self.tokenizer.passages(texts, titles)",
        "return self.tokenizer.passages(texts, None)",
        by="onnx",
    ),
    mistake(
        "titles are dropped in sentence-transformers",
        "integrations/sentence_transformers.py",
        'return {"title": document[0], "text": document[1]}',
        'return {"title": "", "text": document[1]}',
        by="sentence_transformers",
    ),
    mistake(
        "titles are dropped in PyTerrier",
        "integrations/pyterrier_encoders.py",
        'passages = [{"title": title, "text": text} for title, text in rows]',
        'passages = [{"title": "", "text": text} for title, text in rows]',
        by="pyterrier",
    ),
    mistake(
        "adapters are left out of saved weights",
        "train/lora.py",
        "            module.merge()\n",
        "",
        by="lora",
    ),
    mistake(
        "titles are dropped for Lucene",
        "search/bm25_lucene.py",
        "contents_of(passage.title, passage.text)",
        "contents_of(None, passage.text)",
        by="lucene",
    ),
]
