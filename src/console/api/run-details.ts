import type { Configuration } from '../../config/configuration.ts';
import { documentOfRun } from '../../daemon/operate/run-document.ts';
import { whyRunStands } from '../../daemon/operate/run-standing.ts';
import type { Run } from '../../repair/run.ts';
import { readVerification } from '../../repair/verify-record.ts';
import type { Store } from '../../store/open.ts';

/** A run with what keeps it from going on, and what it found. */
export async function readDetails(run: Run, place: { readonly configuration: Configuration; readonly store: Store }) {
  const standing = (await whyRunStands(place, run)) ?? null;
  const found = run.kind === 'verify' ? await readVerification(place.store, run.id) : undefined;
  if (found === undefined) return { ...documentOfRun(run), standing, verification: null };
  const { run: _run, flow: _flow, ...verification } = found;
  return { ...documentOfRun(run), standing, verification };
}
