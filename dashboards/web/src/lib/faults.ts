import { fieldWords } from './records'
import { tongue } from './words.svelte'

/** What the service says in English, as French people say it; $1 … are what it names. */
const french: [RegExp, string][] = [
  [/^there is no such enrolment.*/, 'le badge n’a pas été présenté deux fois à temps'],
  [/^there is no such (?:tenant|member|plan|schedule|version)$/, 'n’existe pas'], [/^there is no (?:tenant|member|plan|schedule|space|site|credential) "(.*)"$/, '« $1 » n’existe pas'], [/^there is no (.+)$/, '$1 n’existe pas'],
  [/^there is nothing by this id$/, 'rien ne porte cet identifiant'], [/is not over yet.*/, 'n’est pas fini : seul un calcul d’essai peut le regarder'], [/^(.*) ?has been issued already.*/, '$1 est déjà émis : un relevé ne s’émet qu’une fois'],
  [/^is not an id: .*/, 'lettres minuscules, chiffres et tirets, 64 au plus'], [/^is missing( or empty)?.*|^is empty.*|^expected (string|required property).*/, 'manque'], [/^is before (.+)$/, 'est avant $1'], [/^lies before 1990 or after 2100$/, 'doit être entre 1990 et 2100'], [/^lies in the future$/, 'est dans l’avenir'],
  [/^is not between (\S+) and (\S+)$/, 'doit être entre $1 et $2'], [/^"(.*)" belongs to another site$/, '« $1 » est d’un autre site'], [/^"(.*)" does not belong to tenant "(.*)"$/, '« $1 » n’est pas de « $2 »'], [/^is more than 31 days after valid_from.*/, 'dépasse 31 jours : un laissez-passer de locataire ne dure pas plus'],
  [/^a tenant's pass opens only what its own leases give.*/, 'un laissez-passer n’ouvre que ce que vos baux donnent pendant ce temps'], [/^a lease's tenant never changes.*/, 'le locataire d’un bail ne change jamais : terminez ce bail et faites-en un autre'], [/^a plan of a site never roams$/, 'une formule d’un site ne vaut pas ailleurs'],
  [/^.* refers to it$/, 'un autre enregistrement en dépend encore'], [/^it is on an issued statement, which must.*/, 'il est sur un relevé émis, qui doit rester expliqué'], [/^a token belongs to this tenant.*/, 'un jeton est à ce locataire : retirez-le d’abord'], [/^it is on an issued statement.*/, 'ce bail est sur un relevé émis, qui ne change jamais : donnez-lui une fin, ou corrigez-le depuis le jour voulu'], [/^this version already holds.*/, 'cette version vaut déjà : enregistrez ce qui est juste, depuis le jour voulu'],
  [/^the site is in lockdown.*/, 'le site est en confinement : aucune ouverture à distance'], [/^no reader on the way in.*/, 'aucun lecteur d’entrée de cette porte ne peut recevoir l’ordre'], [/^the command could not be sent.*/, 'l’ordre n’a pas pu partir : le courtier MQTT est absent'],
  [/^it has changed since.*/, 'quelqu’un l’a changé depuis : relisez-le'], [/^late messages are still being processed.*/, 'les visites de messages tardifs sont encore en calcul ; réessayez dans un instant'], [/^the service failed.*/, 'le service n’a pas pu le faire ; son journal dit pourquoi'],
  [/^too many wrong tokens.*/, 'trop de jetons faux depuis cette adresse : attendez un peu'], [/^the token is unknown.*/, 'ce jeton est inconnu ou a expiré'], [/^the role .* may not.*|^forbidden.*/i, 'votre rôle ne le permet pas'],
  [/^this reader already waits.*/, 'ce lecteur attend déjà un autre badge'], [/^is neither a day.*/, 'n’est pas un jour'], [/^another credential has this uid.*/, 'ce badge est déjà celui de quelqu’un'],
  [/^nothing was imported; faults: (\d+)$/, 'rien n’a été importé : $1 fautes'], [/^nothing was imported; warnings: (\d+).*/, 'rien n’a été importé : $1 avertissements à accepter ou à corriger'], [/^Failed to fetch$|^NetworkError.*|^Load failed$/, 'le service ne répond pas'],
]

/** One sentence of the service in the reader's language; what has no French stays as it was said. */
export function said(text: string): string {
  if (tongue.lang !== 'fr') return /^Failed to fetch$|^NetworkError|^Load failed$/.test(text) ? 'the service does not answer' : text
  for (const [pattern, fr] of french) if (pattern.test(text)) return text.replace(pattern, fr).trim()
  return text
}

interface Fault { field?: string; message?: string }
/** What is wrong, field by field, as people call them. */
export function faultText(detail: string, errors: Fault[] | null | undefined): string {
  const named = (errors ?? []).filter((e) => e.message).slice(0, 5)
  if (!named.length) return said(detail)
  return named.map((e) => {
    const field = (e.field ?? '').replace(/\[.*/, ''), word = fieldWords[field]?.[tongue.lang === 'fr' ? 0 : 1] ?? field
    return word ? `${word}${tongue.lang === 'fr' ? ' :' : ':'} ${said(e.message!)}` : said(e.message!)
  }).join(' ; ')
}
