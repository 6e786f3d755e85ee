// Greedy generation with llama.cpp: 64 prompt and 128 new tokens, as many sequences side by side as the batch; prints one
// JSON line.
//
// usage, in a folder where `npm install node-llama-cpp` was run: node generate_llama_cpp.mjs FILE.gguf BATCH

import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const [file, batchText] = process.argv.slice(2);
const batch = Number(batchText ?? 1);
const [promptTokens, newTokens] = [64, 128];

const require = createRequire(path.join(process.cwd(), "package.json"));
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(require.resolve("node-llama-cpp")).href);
const folder = path.dirname(require.resolve("node-llama-cpp"));
const version = JSON.parse(fs.readFileSync(path.join(folder, "..", "package.json"), "utf8")).version;

const llama = await getLlama({gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: os.availableParallelism()});
const model = await llama.loadModel({modelPath: path.resolve(file)});
const context = await model.createContext({
    sequences: batch, contextSize: promptTokens + newTokens + 8, batchSize: batch * promptTokens, threads: os.availableParallelism()
});

async function generate(row, sequence, count) {
    await sequence.clearHistory();
    const prompt = Array.from({length: promptTokens}, (_, at) => 100 + 613 * at + 37 * row);
    let generated = 0;
    for await (const _ of sequence.evaluate(prompt, {temperature: 0, yieldEogToken: true}))
        if (++generated === count) break;
    return generated;
}

const sequences = Array.from({length: batch}, () => context.getSequence());
await Promise.all(sequences.map((sequence, row) => generate(row, sequence, 8)));
const start = performance.now();
const counts = await Promise.all(sequences.map((sequence, row) => generate(row, sequence, newTokens)));
const seconds = (performance.now() - start) / 1000;
console.log(JSON.stringify({
    tokens_per_second: counts.reduce((sum, count) => sum + count, 0) / seconds,
    peak_bytes: process.resourceUsage().maxRSS * 1024,
    version: `node-llama-cpp ${version} (llama.cpp ${llama.llamaCppRelease?.release ?? "unknown"})`
}));
process.exit(0);
