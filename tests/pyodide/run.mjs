// Runs the main() of a program in Pyodide: node run.mjs <pyodide> <program> <folder>...; it imports from the folders.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [pyodide, program, ...folders] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${pyodide}/pyodide.mjs`));
const python = await loadPyodide();
folders.forEach((folder, number) => {
    const path = `/from/${number}`;
    python.FS.mkdirTree(path);
    python.FS.mount(python.FS.filesystems.NODEFS, { root: folder }, path);
    python.runPython(`import sys; sys.path.insert(0, "${path}")`);
});
try {
    python.runPython(readFileSync(program, "utf8"));
    await python.globals.get("main")();
} catch (error) {
    console.error(error.message);
    process.exitCode = 1;
}
