/** A module of the build, as it is shipped: what the daemon runs. Typed by its source, which the build was made from. */
export async function importBuilt<Module>(path: string): Promise<Module> {
  const module: Module = await import(new URL(`../dist/${path}`, import.meta.url).href);
  return module;
}
