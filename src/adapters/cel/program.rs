//! `Program`: a rule, from its text to its answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};
use std::thread;

use cel_interpreter::common::ast::{CallExpr, Expr};
use cel_interpreter::common::types::{CelBool, CelInt, CelList, CelNull, CelString};
use cel_interpreter::common::value::{CowVal, Val};
use cel_interpreter::context::VariableResolver;
use cel_interpreter::parser::{Expression, ParseErrors};
use cel_interpreter::{Context, Env, Value};

use super::check;
use super::pattern::{Pattern, matches};
use super::retention::{top, top_of_null};
use crate::ports::RuleError;

/// The longest rule, in bytes.
const LONGEST: usize = 4096;

/// The compiler goes down once for each of a rule's nested parts, of which the
/// longest rule can have thousands.
const STACK: usize = 16 << 20;

/// Why a rule can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidRule(pub(super) String);

/// What a kind of rule can name.
pub(super) struct Vocabulary {
    pub(super) variables: &'static [&'static str],
    pub(super) functions: &'static [&'static str],
    /// What stands for a call that is short for something else.
    pub(super) written_out: fn(&mut CallExpr) -> Result<Option<Expr>, String>,
}

/// A rule that was compiled and checked.
pub(super) struct Program {
    env: Arc<Env>,
    expression: Expression,
    patterns: Vec<Pattern>,
    variables: Vec<&'static str>,
}

/// CEL's own functions, and ours: the same for every rule.
static ENV: LazyLock<Result<Arc<Env>, InvalidRule>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    cel_interpreter::add_member_overload!(env, fn contains: (CelList, CelString) -> CelBool)
        .and_then(|()| {
            cel_interpreter::add_member_overload!(env, fn matches: (CelString, Pattern) -> CelBool)
        })
        .and_then(|()| {
            cel_interpreter::add_overload!(env, fn top: (CelString, CelList, CelInt) -> CelBool)
        })
        .and_then(|()| {
            cel_interpreter::add_overload!(env, fn top_of_null: (CelNull, CelList, CelInt) -> CelBool, name = "top")
        })
        .map_err(|error| InvalidRule(error.to_string()))?;
    Ok(Arc::new(env))
});

/// `list.contains(text)`, which CEL has for texts only.
fn contains(list: &CelList<'_>, text: &CelString<'_>) -> CelBool {
    let mut items = list.inner().iter();
    CelBool::from(items.any(|item| item.equals(text)))
}

/// What is absent is null, so that a comparison with it is false and no error.
pub(super) fn text<'b>(text: Option<impl Into<CelString<'b>>>) -> CowVal<'b, 'b> {
    match text {
        Some(text) => CowVal::owned(text.into()),
        None => CowVal::owned(CelNull),
    }
}

/// A list of texts, which it borrows.
pub(super) fn list_of<'b>(texts: impl Iterator<Item = &'b str>) -> CelList<'b> {
    let texts = texts.map(|text| -> Box<dyn Val + 'b> {
        let text: CelString<'b> = text.into();
        Box::new(text)
    });
    CelList::from(texts.collect::<Vec<_>>())
}

impl Program {
    /// Compiles `text`, which may name what is in `vocabulary`.
    pub(super) fn compile(
        text: &str,
        vocabulary: &'static Vocabulary,
    ) -> Result<Self, InvalidRule> {
        if text.len() > LONGEST {
            return Err(InvalidRule(format!("longer than {LONGEST} bytes")));
        }
        let env = ENV.clone()?;
        let text = text.to_owned();
        let compiler = thread::Builder::new()
            .name("cel".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                let parsed = env.parser().parse(&text);
                let mut expression = parsed.map_err(|errors| InvalidRule(first_of(&errors)))?;
                let checked = check::check(&mut expression, vocabulary).map_err(InvalidRule)?;
                Ok(Self {
                    env,
                    expression,
                    patterns: checked.patterns,
                    variables: checked.variables,
                })
            })
            .map_err(|error| InvalidRule(format!("no thread to compile it: {error}")))?;
        let panicked = |_| Err(InvalidRule("it makes the compiler panic".to_owned()));
        compiler.join().unwrap_or_else(panicked)
    }

    /// Whether the rule names this variable.
    pub(super) fn uses(&self, variable: &str) -> bool {
        self.variables.contains(&variable)
    }

    /// The rule's answer where the variables have these values.
    pub(super) fn evaluate(&self, variables: &dyn VariableResolver) -> Result<bool, RuleError> {
        let mut context = Context::with_env(Arc::clone(&self.env));
        context.set_variable_resolver(variables);
        for (index, pattern) in self.patterns.iter().enumerate() {
            context.add_variable_as_val(check::name_of_pattern(index), Box::new(pattern.clone()));
        }
        let resolve = || Value::resolve(&self.expression, &context);
        match catch_unwind(AssertUnwindSafe(resolve)) {
            Ok(Ok(Value::Bool(answer))) => Ok(answer),
            Ok(Ok(other)) => Err(RuleError::NotBoolean(other.type_of().to_string())),
            Ok(Err(error)) => Err(RuleError::Failed(excerpt(&error.to_string()))),
            Err(_) => Err(RuleError::Failed("it panicked".to_owned())),
        }
    }
}

/// As much of it as is told: it can hold a value of any size.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(200).collect()
}

/// What is wrong first, in one line, with its column.
fn first_of(errors: &ParseErrors) -> String {
    let Some(error) = errors.errors.first() else {
        return "no CEL".to_owned();
    };
    if error.msg.contains("ecursion limit") {
        return check::TOO_DEEP.to_owned();
    }
    let message = error.msg.lines().next().unwrap_or_default();
    let message = excerpt(message);
    match error.pos {
        (1, column) => format!("column {column}: {message}"),
        (line, column) => format!("line {line}, column {column}: {message}"),
    }
}

#[cfg(test)]
mod tests;
