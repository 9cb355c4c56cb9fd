const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `Tue, 24 Nov 2026 08:11:02 +0000` (RFC 2822, section 3.3), as simplestreams' own tools write it. */
const mailDate =
  /^(?:[A-Z][a-z]{2}, ?)?(\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}:\d{2}(?::\d{2})?) ?(?:([+-]\d{2})(\d{2})|GMT|UTC|UT|Z)$/;

/** `2026-11-24T08:11:02+00:00`, `2026-11-24 08:11` or `2026-11-24` (RFC 3339). */
const isoDate =
  /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?) ?(?:([+-]\d{2}):?(\d{2})|GMT|UTC|Z)?)?$/;

/**
 * The time of a field `updated`. A date without a time zone is in UTC.
 * @returns undefined when it is absent, or in no form that upstreams use
 */
export function readUpdated(value: unknown): Date | undefined {
  if (typeof value !== 'string') return undefined;
  const mail = mailDate.exec(value.trim());
  if (mail !== null) {
    const [, day = '', name = '', year, time = '', hours = '+00', minutes = '00'] = mail;
    const month = String(months.indexOf(name) + 1).padStart(2, '0');
    return dateOf(`${year}-${month}-${day.padStart(2, '0')}`, time, `${hours}:${minutes}`);
  }
  const iso = isoDate.exec(value.trim());
  if (iso === null) return undefined;
  const [, day = '', time = '00:00', hours = '+00', minutes = '00'] = iso;
  return dateOf(day, time, `${hours}:${minutes}`);
}

function dateOf(day: string, time: string, zone: string): Date | undefined {
  const date = new Date(`${day}T${time}${zone}`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
