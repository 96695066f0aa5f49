//! Retention rules: what they can ask about an image.

use std::sync::Arc;

use cel_interpreter::common::ast::operators::MULTIPLY;
use cel_interpreter::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};
use cel_interpreter::common::types::{CelBool, CelInt, CelList, CelNull, CelString};
use cel_interpreter::common::value::CowVal;
use cel_interpreter::context::VariableResolver;

use super::program::{InvalidRule, Program, Vocabulary, list_of, text};
use crate::domain::model::{Image, Surroundings, Tag, Timestamp};
use crate::ports::{RetentionRule, RuleError};

const TAG: &str = "image.tag";
const PUSHED_AT: &str = "image.pushed_at";
const LAST_PULLED_AT: &str = "image.last_pulled_at";
const LAST_PUSHED: &str = "last_pushed";
const LAST_PULLED: &str = "last_pulled";

/// What stands in a checked rule for `now()`.
const NOW: &str = "@now";

#[rustfmt::skip] // a table
static VOCABULARY: Vocabulary = Vocabulary {
    variables: &[TAG, PUSHED_AT, LAST_PULLED_AT, LAST_PUSHED, LAST_PULLED],
    functions: &[
        "bool", "bytes", "contains", "days", "double", "endsWith", "hours", "int", "matches", "minutes", "now", "size",
        "startsWith", "string", "top", "top_pulled", "top_pushed", "uint",
    ],
    written_out,
};

/// Compiles a rule of a retention policy.
///
/// # Errors
/// What is wrong with it.
pub fn retention_rule(text: &str) -> Result<Arc<dyn RetentionRule>, InvalidRule> {
    let program = Program::compile(text, &VOCABULARY)?;
    let text = text.to_owned();
    Ok(Arc::new(Rule { text, program }))
}

/// What the rule says of every image, where it asks for nothing that images differ in.
#[must_use]
pub fn constant(rule: &dyn RetentionRule) -> Option<bool> {
    let names = [TAG, "image", LAST_PUSHED, LAST_PULLED, "now", "top_"];
    if names.iter().any(|name| rule.text().contains(name)) {
        return None;
    }
    let then = Timestamp::from_millis(0);
    let image = Image {
        tag: None,
        pushed_at: then,
        last_pulled_at: None,
    };
    let around = Surroundings {
        now: then,
        last_pushed: Vec::new(),
        last_pulled: Vec::new(),
    };
    match rule.judge(&[image], &around).as_slice() {
        [Ok(answer)] => Some(*answer),
        _ => None,
    }
}

struct Rule {
    text: String,
    program: Program,
}

impl RetentionRule for Rule {
    fn text(&self) -> &str {
        &self.text
    }

    fn judge(&self, images: &[Image], around: &Surroundings) -> Vec<Result<bool, RuleError>> {
        // Made once, and lent to every evaluation.
        let lists = [&around.last_pushed, &around.last_pulled];
        let [last_pushed, last_pulled] = lists.map(|tags| list_of(tags.iter().map(Tag::as_str)));
        let judge = |image| {
            self.program.evaluate(&Variables {
                image,
                now: around.now,
                last_pushed: &last_pushed,
                last_pulled: &last_pulled,
            })
        };
        images.iter().map(judge).collect()
    }
}

/// Gives a rule what it asks for.
struct Variables<'r> {
    image: &'r Image,
    now: Timestamp,
    last_pushed: &'r CelList<'r>,
    last_pulled: &'r CelList<'r>,
}

impl VariableResolver for Variables<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        Some(match variable {
            TAG => text(self.image.tag.as_ref().map(Tag::as_str)),
            PUSHED_AT => seconds(Some(self.image.pushed_at)),
            LAST_PULLED_AT => seconds(self.image.last_pulled_at),
            LAST_PUSHED => CowVal::Borrowed(self.last_pushed),
            LAST_PULLED => CowVal::Borrowed(self.last_pulled),
            NOW => seconds(Some(self.now)),
            _ => return None,
        })
    }
}

/// Seconds since the epoch; what is unknown is null.
fn seconds<'b>(time: Option<Timestamp>) -> CowVal<'b, 'b> {
    match time {
        Some(time) => CowVal::owned(CelInt::from(time.as_millis().div_euclid(1000))),
        None => CowVal::owned(CelNull),
    }
}

/// `top(text, list, k)`: whether the text is among the first `k` of the list.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the interpreter lends all arguments"
)]
pub(super) fn top(text: &CelString<'_>, list: &CelList<'_>, k: &CelInt) -> CelBool {
    let k = usize::try_from(*k.inner()).unwrap_or(0);
    let mut first = list.inner().iter().take(k);
    CelBool::from(first.any(|item| item.equals(text)))
}

/// Null is among nothing.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the interpreter lends all arguments"
)]
pub(super) fn top_of_null(_: &CelNull, _: &CelList<'_>, _: &CelInt) -> CelBool {
    CelBool::from(false)
}

/// The functions that are short for something else: that.
fn written_out(call: &mut CallExpr) -> Result<Option<Expr>, String> {
    let expected = |form: &str| Err(format!("expected {form}"));
    let name = call.func_name.as_str();
    match (name, call.target.is_some(), call.args.as_mut_slice()) {
        ("now", false, []) => Ok(Some(Expr::Ident(NOW.to_owned()))),
        ("now", ..) => expected("now()"),
        ("days", false, [n]) => product(n, 86_400, "days(30)"),
        ("hours", false, [n]) => product(n, 3600, "hours(12)"),
        ("minutes", false, [n]) => product(n, 60, "minutes(90)"),
        ("top_pushed", false, [k]) => among(LAST_PUSHED, k, "top_pushed(10)"),
        ("top_pulled", false, [k]) => among(LAST_PULLED, k, "top_pulled(10)"),
        ("days" | "hours" | "minutes" | "top_pushed" | "top_pulled", ..) => {
            Err(format!("expected {name}(number)"))
        }
        ("top", false, [_, _, k]) => {
            whole(k, "top(image.tag, last_pushed, 10)")?;
            Ok(None)
        }
        ("top", ..) => expected("top(image.tag, last_pushed, number)"),
        _ => Ok(None),
    }
}

/// Refuses a number that is written down and can't be counted by.
fn whole(n: &IdedExpr, form: &str) -> Result<(), String> {
    match &n.expr {
        Expr::Literal(value) if !matches!(value, LiteralValue::Int(_)) => {
            Err(format!("expected a whole number, as in {form}"))
        }
        _ => Ok(()),
    }
}

fn product(n: &mut IdedExpr, by: i64, form: &str) -> Result<Option<Expr>, String> {
    whole(n, form)?;
    let by = Expr::Literal(LiteralValue::Int(CelInt::from(by)));
    Ok(Some(call(MULTIPLY, [std::mem::take(n), ided(by)])))
}

fn among(list: &str, k: &mut IdedExpr, form: &str) -> Result<Option<Expr>, String> {
    whole(k, form)?;
    let [tag, list] = [TAG, list].map(|name| ided(Expr::Ident(name.to_owned())));
    Ok(Some(call("top", [tag, list, std::mem::take(k)])))
}

fn call<const N: usize>(name: &str, args: [IdedExpr; N]) -> Expr {
    Expr::Call(CallExpr {
        func_name: name.to_owned(),
        target: None,
        args: args.into(),
    })
}

fn ided(expr: Expr) -> IdedExpr {
    IdedExpr { id: 0, expr }
}

#[cfg(test)]
mod tests;
