/** The part of the error catalogue that is about runs of repair. */
export const runCodes = {
  RUN_EXISTS: {
    meaning: 'The flow has a run of this kind that has not ended.',
    remedy: 'Wait for it, or end it: `kisflow runs` shows it, `kisflow runs cancel ID` ends it and keeps what it has done.',
  },
  RUN_UNKNOWN: {
    meaning: 'There is no run with this number.',
    remedy: '`kisflow runs` lists them.',
  },
  RUN_ENDED: {
    meaning: 'The run has ended, or is about to, so it cannot be paused, resumed or cancelled.',
    remedy: '`kisflow runs show ID` shows what became of it; start a new one where that is not what you want.',
  },
} as const satisfies Record<string, { readonly meaning: string; readonly remedy: string }>;
