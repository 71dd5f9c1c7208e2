// A DNS server on the loopback address that knows a few names, and says of every other that it does not exist.
import dgram from "node:dgram";

/** Starts it; `records` are [name, "A" or "TXT", data] each. */
export async function dns(records) {
  const socket = dgram.createSocket("udp4");
  socket.on("message", (question, from) => socket.send(answer(question, records), from.port, from.address));
  await new Promise((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return { address: `127.0.0.1:${socket.address().port}`, stop: () => socket.close() };
}

const kinds = { A: 1, TXT: 16 };
const data = {
  A: (text) => Buffer.from(text.split(".").map(Number)),
  TXT: (text) => Buffer.concat([Buffer.from([Buffer.byteLength(text)]), Buffer.from(text)]),
};

function answer(question, records) {
  const labels = [];
  let place = 12;
  for (; question[place]; place += question[place] + 1) labels.push(question.toString("latin1", place + 1, place + 1 + question[place]));
  const name = labels.join(".").toLowerCase();
  const asked = question.readUInt16BE(place + 1);
  const of_name = records.filter(([known]) => known === name);
  const found = of_name.filter(([, kind]) => kinds[kind] === asked);
  const head = Buffer.alloc(12);
  question.copy(head, 0, 0, 2);
  // An answer, recursion desired and available; NXDOMAIN where there is no such name.
  head.writeUInt16BE(of_name.length > 0 ? 0x8180 : 0x8183, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(found.length, 6);
  const answers = found.map(([, kind, text]) => {
    const fixed = Buffer.alloc(12);
    fixed.writeUInt16BE(0xc00c, 0);
    fixed.writeUInt16BE(asked, 2);
    fixed.writeUInt16BE(1, 4);
    fixed.writeUInt32BE(60, 6);
    const value = data[kind](text);
    fixed.writeUInt16BE(value.length, 10);
    return Buffer.concat([fixed, value]);
  });
  return Buffer.concat([head, question.subarray(12, place + 5), ...answers]);
}
