//! Evidence with files, and `/bots/{id}/golive/files/{file}`: a file as a download. No page shows what a file holds.

use super::{Typed, Word, draw, stage_of};
use crate::app::{
    App, AppError, Invalid,
    golive::{
        files::{FileRow, Kept, Sent},
        marks::Said,
    },
};
use crate::domain::{
    BotId, FileId, MarkId, Stage,
    file::{self, FILES},
    golive::short,
};
use crate::web::{
    Answer, Shared, WebError,
    extract::{
        Person,
        parcel::{self, Parcel, Part},
    },
    frame,
    layers::headers::SentByPeople,
    pages::bots::id_of,
    problems::Problems,
    query::NamedOf,
};
use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use tokio::sync::SemaphorePermit;

/// A file as a page names it.
#[derive(Debug, Clone)]
pub(in crate::web::pages) struct Link {
    pub(in crate::web::pages) href: String,
    pub(in crate::web::pages) name: String,
    pub(in crate::web::pages) size: String,
    pub(in crate::web::pages) digest: String,
}

impl From<&FileRow> for Link {
    fn from(row: &FileRow) -> Self {
        Self {
            href: format!("/bots/{}/golive/files/{}", row.bot_id, row.id),
            name: row.name.clone(),
            size: file::size(row.bytes),
            digest: short(&row.sha256),
        }
    }
}

/// The files of a mark, in order.
pub(in crate::web::pages) fn links(files: &[FileRow], mark: Option<&MarkId>) -> Vec<Link> {
    files.iter().filter(|row| mark.is_some() && row.mark_id.as_ref() == mark).map(Link::from).collect()
}

/// Why evidence was not put down.
enum Refused {
    /// The answer is made.
    Made(Response),
    /// No form mends it.
    Error(WebError),
    /// The form is shown again with what was typed.
    Form(Stage, Said, AppError),
}

impl From<WebError> for Refused {
    fn from(error: WebError) -> Self {
        Self::Error(error)
    }
}

/// A form whose fields all came, and whose files are coming.
struct Begun<'a> {
    stage: Stage,
    said: Said,
    _seat: Option<SemaphorePermit<'a>>,
}

impl Begun<'_> {
    fn refused(&self, error: impl Into<AppError>) -> Refused {
        Refused::Form(self.stage, self.said.clone(), error.into())
    }
}

/// Puts evidence down with the files that come with it: each is kept as it comes, and all of them are removed where anything is refused.
pub(super) async fn put(app: &App, id: &BotId, person: &Person, mut parcel: Parcel) -> Answer {
    let mut kept = Vec::new();
    let refused = match take(app, id, person, &mut parcel, &mut kept).await {
        Ok(stage) => return Ok(frame::see(&format!("/bots/{id}/golive?stage={stage}"))),
        Err(refused) => refused,
    };
    app.drop_files(&kept).await;
    parcel.read_off().await;
    match refused {
        Refused::Made(answer) => Ok(answer),
        Refused::Error(error) => Err(error),
        Refused::Form(stage, said, error) => {
            let typed = Typed { said, problems: Problems::of_error(error)?, ..Typed::none() };
            draw(app, person, (id, stage), typed).await
        }
    }
}

async fn take(app: &App, id: &BotId, person: &Person, parcel: &mut Parcel, kept: &mut Vec<Kept>) -> Result<Stage, Refused> {
    let path = parcel.path().to_owned();
    let mut came: Vec<(String, String)> = Vec::new();
    let mut begun = None;
    while let Some(part) = parcel.next().await? {
        let file = match part {
            Part::Field(name, value) if begun.is_none() => {
                came.push((name, value));
                continue;
            }
            // Our form has nothing behind its files.
            Part::Field(..) => continue,
            Part::File(file) => file,
        };
        if file.name.is_empty() {
            // What browsers send where no file was chosen.
            match file.read().await? {
                Some(bytes) if bytes.is_empty() => continue,
                _ => return Err(WebError::bad_request("A file has no name. Nothing was changed.").into()),
            }
        }
        if begun.is_none() {
            begun = Some(begin(app, id, person, (&path, &came), true).await?);
        }
        let Some(form) = &begun else { continue };
        if kept.len() == FILES {
            return Err(form.refused(Invalid::one("files", format!("{FILES} files at most are put down together"))));
        }
        let name = file.name.clone();
        let Some(bytes) = file.read().await? else {
            let name = file::name_of(&name).unwrap_or_else(|_| "A file".to_owned());
            return Err(form.refused(Invalid::one("files", file::too_large(&name))));
        };
        let one = app.keep_file(&person.actor, (id, form.stage), &form.said, Sent { name, bytes }).await;
        kept.push(one.map_err(|error| form.refused(error))?);
    }
    let form = match begun {
        Some(form) => form,
        None => begin(app, id, person, (&path, &came), false).await?,
    };
    app.put_evidence_with(&person.actor, (id, form.stage), &form.said, kept).await.map_err(|error| form.refused(error))?;
    Ok(form.stage)
}

/// What was typed, by somebody whose touch counts; and with files a seat among those who send some.
async fn begin<'a>(
    app: &'a App,
    id: &BotId,
    person: &Person,
    (path, came): (&str, &[(String, String)]),
    has_files: bool,
) -> Result<Begun<'a>, Refused> {
    parcel::touched(app, person, (path, came), has_files).await.map_err(Refused::Made)?;
    let word: Word = parcel::fields(came)?;
    let bot = app.bot(&person.actor, id).map_err(WebError::from)?.bot;
    let stage = stage_of(&bot, &word.stage).map_err(WebError::from)?;
    let seat = if has_files { app.enter_with_files() } else { None };
    if has_files && seat.is_none() {
        let busy = AppError::conflict("several people send files just now: send yours again in a minute");
        return Err(Refused::Form(stage, word.said, busy));
    }
    Ok(Begun { stage, said: word.said, _seat: seat })
}

/// What is said where the files were left behind while a touch was asked for.
pub(super) fn left_behind() -> Problems {
    Problems::one("files", "Choose the files again: they were not kept while your key was asked for. Nothing was put down yet.")
}

/// A file, byte for byte as it was sent, to be kept and not to be shown.
pub async fn download(State(app): Shared, person: Person, NamedOf(bot, id): NamedOf) -> Answer {
    let bot = id_of(&bot)?;
    let id = FileId::parse(&id).map_err(|_| AppError::NotFound("file"))?;
    let (row, bytes) = app.file(&person.actor, &bot, &id).await?;
    let name = HeaderValue::from_str(&disposition(&row.name)).map_err(AppError::internal)?;
    let kind = HeaderValue::from_static("application/octet-stream");
    let mut answer = ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], bytes).into_response();
    answer.extensions_mut().insert(SentByPeople);
    Ok(answer)
}

/// `Content-Disposition` of a download (RFC 6266): the name in plain letters, and all of it in the encoding of RFC 8187.
fn disposition(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let encoded = name.bytes().map(|byte| if is_plain(char::from(byte)) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", encoded.collect::<String>())
}

#[cfg(test)]
pub(in crate::web::pages) fn sample() -> Vec<Link> {
    let link = |name: &str, digest: &str| Link {
        href: "/bots/7/golive/files/7".to_owned(),
        name: name.to_owned(),
        size: "1.2 MiB".to_owned(),
        digest: digest.to_owned(),
    };
    vec![link("plan.pdf", "0123456789ab…"), link("<b>\"Rückfall\"</b>.md", "ba9876543210…")]
}

#[cfg(test)]
mod tests {
    use super::disposition;

    #[test]
    fn a_name_is_encoded_and_ends_nothing() {
        assert_eq!(disposition("plan.pdf"), "attachment; filename=\"plan.pdf\"; filename*=UTF-8''plan.pdf");
        let said = "attachment; filename=\"R___x__y.md\"; filename*=UTF-8''R%C3%BC%20%22x%22%3By.md";
        assert_eq!(disposition("Rü \"x\";y.md"), said);
        assert!(axum::http::HeaderValue::from_str(&disposition("漢字.txt")).is_ok());
    }
}
