'use strict';

// What this page has seen of the database: the latest position that an answer has told goes with each question, so nothing is shown older
// than it was, though questions overlap. A cookie keeps what the last answer has told. docs/internals/reads.md, Carried.

const positionField = 'Loadstone-Position';
const nothingSeen = '0-0', unknownSeen = 'FFFFFFFF-FFFFFFFFFFFFFFFF';
const positionStore = 'loadstone-position'; // of the tab: a page that is loaded again goes on from there
let positionKept = nothingSeen;
try {
  positionKept = sessionStorage.getItem(positionStore) ?? nothingSeen;
} catch {}  // the browser keeps nothing: then the cookies do alone

// By history, then by place. Histories of processes (PostgreSQL without replicas) are 80000000 and above, and say nothing of each other.
function laterPosition(one, other) {
  const [[oneHistory, oneAt], [otherHistory, otherAt]] = [one, other].map(text => text.split('-').map(part => BigInt(`0x${part}`)));
  if (oneHistory === otherHistory) return oneAt < otherAt ? other : one;
  if (one === nothingSeen || other === nothingSeen) return one === nothingSeen ? other : one;
  if (oneHistory >= 0x80000000n || otherHistory >= 0x80000000n) return unknownSeen;
  return oneHistory < otherHistory ? other : one;
}

// As fetch(); `headers`, if any, as an object.
async function fetchAsSeen(path, options = {}) {
  const sent = positionKept;
  const answer = await fetch(path, {...options, headers: {...options.headers, [positionField]: sent}});
  const told = answer.headers.get(positionField);
  if (told === null || !/^[0-9A-F]+-[0-9A-F]+$/i.test(told)) return answer;
  // What was sent may be of a history that is no more: then the answer tells less, and that is right.
  positionKept = positionKept === sent ? told : laterPosition(positionKept, told);
  try {
    sessionStorage.setItem(positionStore, positionKept);
  } catch {}
  return answer;
}
