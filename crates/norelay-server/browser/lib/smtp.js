// Scripted mail servers on the loopback address, for the browser tests: each answers as its script says.
import net from "node:net";

const policies = {
  /** Refuses as Postfix does by default. */
  closed: {
    banner: "220 mx.test ESMTP Postfix (Debian/GNU)",
    rcpt: (to) => (/^<postmaster@/i.test(to) ? "250 2.1.5 Ok" : `454 4.7.1 ${to}: Relay access denied`),
  },
  /** As closed, a while for each answer. */
  slow: { banner: "220 mx.test ESMTP Postfix", delay: 120, rcpt: (to) => `554 5.7.1 ${to}: Relay access denied` },
  /** Accepts everything and forwards what it can. */
  open: { banner: "220 mx.test ESMTP", rcpt: () => "250 2.1.5 Ok", forwards: true },
  /** Accepts everything and delivers nothing. */
  sink: { banner: "220 mx.test ESMTP", rcpt: () => "250 2.1.5 Ok" },
  /** Says what could act in a page or a terminal. */
  hostile: {
    banner: `220 <script>document.title="owned"</script> "' onmouseover=alert(1) \x1b[2J\x1b]8;;http://evil.example/\x07x`,
    ehlo: ["<img src=x onerror=alert(2)>", "SIZE \x1b[31m", "\u202egnp.exe"],
    rcpt: (to) => `550 5.7.1 ${to} relaying denied </code></li><svg onload=alert(3)> {{7*7}} %s \x00\x9b31m`,
  },
  /** Knows nobody's address yet. */
  greylist: { banner: "220 mx.test ESMTP", rcpt: () => "450 4.2.0 Greylisted, try again in 300 seconds" },
};

/** Starts one; `deliver(message)` gets what an open server forwards: { from, to, text }. */
export function smtp(name, deliver = async () => {}) {
  const policy = policies[name];
  const server = net.createServer((socket) => talk(socket, policy, deliver));
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const sockets = new Set();
      server.on("connection", (socket) => (sockets.add(socket), socket.on("close", () => sockets.delete(socket))));
      resolve({
        port: server.address().port,
        stop: () => (server.close(), sockets.forEach((socket) => socket.destroy())),
      });
    });
  });
}

function talk(socket, policy, deliver) {
  let [rest, from, to, text] = ["", "", [], null];
  let turn = Promise.resolve();
  const say = (line) => {
    turn = turn.then(() => new Promise((done) => setTimeout(done, policy.delay ?? 0))).then(() => {
      if (!socket.destroyed) socket.write(Buffer.from(line + "\r\n", "utf8"));
    });
  };
  socket.on("error", () => {});
  socket.on("data", (octets) => {
    rest += octets.toString("latin1");
    for (let end; (end = rest.indexOf("\r\n")) >= 0; rest = rest.slice(end + 2)) line(rest.slice(0, end));
  });
  say(policy.banner);

  function line(command) {
    if (text !== null) return message(command);
    const verb = command.slice(0, 4).toUpperCase();
    if (verb === "EHLO") {
      const said = ["mx.test", ...(policy.ehlo ?? ["PIPELINING", "SIZE 10240000", "ENHANCEDSTATUSCODES", "8BITMIME"])];
      said.forEach((word, index) => say(`250${index === said.length - 1 ? " " : "-"}${word}`));
    } else if (verb === "HELO") say("250 mx.test");
    else if (verb === "MAIL") (from = command.slice(10), (to = []), say("250 2.1.0 Ok"));
    else if (verb === "RCPT") {
      const answer = policy.rcpt(command.slice(8));
      if (answer.startsWith("2")) to.push(command.slice(8));
      say(answer);
    } else if (verb === "DATA") {
      if (to.length === 0) say("554 5.5.1 No valid recipients");
      else (text = []), say("354 End data with <CR><LF>.<CR><LF>");
    } else if (verb === "RSET") ((to = []), say("250 2.0.0 Ok"));
    else if (verb === "QUIT") {
      say("221 2.0.0 Bye");
      turn = turn.then(() => socket.end());
    } else say("502 5.5.2 Error: command not recognized");
  }

  function message(one) {
    if (one !== ".") return text.push(one);
    const whole = { from, to, text: text.join("\r\n") + "\r\n" };
    text = null;
    say("250 2.0.0 Ok: queued as 4ABC");
    if (policy.forwards) deliver(whole).catch(() => {});
  }
}

/** Hands a message to a mail server, as a relay would. */
export async function forward({ from, to, text }, port, host = "127.0.0.1") {
  for (const one of to) {
    const socket = net.connect(port, host);
    const answers = replies(socket);
    const ask = async (command) => (socket.write(command + "\r\n"), (await answers.next()).value);
    await answers.next();
    await ask("EHLO mx.test");
    await ask(`MAIL FROM:${from.split(" ")[0]}`);
    if ((await ask(`RCPT TO:${one}`)).startsWith("2") && (await ask("DATA")).startsWith("3")) {
      await ask(`Received: from tester by mx.test with ESMTP\r\n${text}.`);
    }
    socket.end("QUIT\r\n");
  }
}

async function* replies(socket) {
  let rest = "";
  for await (const octets of socket) {
    rest += octets.toString("latin1");
    for (let found; (found = rest.match(/^(?:\d{3}-.*\r\n)*\d{3}(?: .*)?\r\n/)); rest = rest.slice(found[0].length)) yield found[0];
  }
}
