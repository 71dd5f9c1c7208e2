// A mail server as people write one with smtp-server: passes what it takes on to the hub.

const modules = '/usr/local/lib/nodemailer/node_modules'
const nodemailer = require(`${modules}/nodemailer`)
const { SMTPServer } = require(`${modules}/smtp-server`)

const OWN = ['target.test', 'mx.target.test']
const hub = nodemailer.createTransport({ host: 'hub.target.test', port: 25, ignoreTLS: true })

function refusal (responseCode, words) {
  return Object.assign(new Error(words), { responseCode })
}

function onData (stream, { envelope }, done) {
  const to = envelope.rcptTo.map(({ address }) => address)
  hub.sendMail({ envelope: { from: envelope.mailFrom.address || '', to }, raw: stream }, done)
}

function knows ({ username, password }, session, done) {
  if (username === 'alice' && password === 'right') return done(null, { user: username })
  done(refusal(535, 'Invalid username or password'))
}

function everybody ({ username }, session, done) {
  done(null, { user: username })
}

// What norelay's remedy does.
function onRcptTo ({ address }, session, done) {
  const at = address.lastIndexOf('@')
  const [user, domain] = [address.slice(0, at), address.slice(at + 1).toLowerCase()]
  if (session.user || (OWN.includes(domain) && !/[%!@:]/.test(user))) return done()
  done(refusal(550, 'Relaying denied'))
}

// As Exchange does: takes every recipient, and refuses the message.
function late (stream, session, done) {
  const isForeign = ({ address }) => !OWN.includes(address.slice(address.lastIndexOf('@') + 1).toLowerCase())
  if (session.user || !session.envelope.rcptTo.some(isForeign)) return onData(stream, session, done)
  stream.resume()
  stream.on('end', () => done(refusal(550, '5.7.54 SMTP; Unable to relay recipient in non-accepted domain')))
}

function wantsTls (address, session, done) {
  done(session.secure ? null : refusal(530, 'Must issue a STARTTLS command first'))
}

const servers = {
  default: { onData },
  open: { onData, authOptional: true, onAuth: knows },
  own: { onData, authOptional: true, onAuth: knows, onRcptTo },
  late: { onData: late, authOptional: true, onAuth: knows },
  tls: { onData, authOptional: true, onAuth: knows, onMailFrom: wantsTls, onRcptTo },
  users: { onData, onAuth: knows },
  everybody: { onData, onAuth: everybody }
}

const server = new SMTPServer({ name: 'mx.target.test', ...servers[process.argv[2]] })
server.on('error', (error) => console.error(error.message))
server.listen(25, '::')
