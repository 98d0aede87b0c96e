/**
 * A module of src as JavaScript, file by file (`npm run bench` makes them: tsconfig.bench.json); what is shipped is the same code in few
 * files. Typed by its source.
 */
export async function importBuilt<Module>(path: string): Promise<Module> {
  const module: Module = await import(new URL(`./.built/${path}`, import.meta.url).href);
  return module;
}
