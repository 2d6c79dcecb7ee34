#include "models/core/translation_flow.h"

namespace iommu::core {

void TranslationFlow::clear() {
  has_space_ = false;
  used_table_ = false;
  mapping_valid_ = false;
  interrupt_ = false;
  context_state_ = {};
}

TranslationFlow::Need TranslationFlow::start_resolved(const AddressSpace& space) {
  clear();
  step_.space = space;
  has_space_ = true;
  return need_ = Need::IotlbLookup;
}

TranslationFlow::Need TranslationFlow::start() {
  clear();
  const Gate gate = front_end_->gate(request_);
  switch (gate.kind) {
    case Gate::Kind::Translate:
      return need_ = Need::ContextLookup;
    case Gate::Kind::Bypass:
      return finish_at(request_.address, nullptr);
    case Gate::Kind::Interrupt:
      route_ = Route::Memory;
      interrupt_ = true;
      host_ = request_.address;
      return need_ = Need::Done;
    case Gate::Kind::NoData:
      route_ = Route::NoData;
      return need_ = Need::Done;
    case Gate::Kind::Fault:
      break;
  }
  return block(gate.fault);
}

TranslationFlow::Need TranslationFlow::context_found(const AddressSpace& space) {
  step_.space = space;
  return resolved();
}

TranslationFlow::Need TranslationFlow::context_missing() {
  return take(front_end_->begin_context(request_, context_state_));
}

TranslationFlow::Need TranslationFlow::context_read(const StructureRead& read) {
  return take(front_end_->resume_context(request_, context_state_, read));
}

TranslationFlow::Need TranslationFlow::take(const ContextStep& step) {
  step_ = step;
  switch (step.kind) {
    case ContextStep::Kind::Read:
      return need_ = Need::ContextRead;
    case ContextStep::Kind::Resolved:
      return resolved();
    case ContextStep::Kind::Fault:
      break;
  }
  return block(step.fault);
}

TranslationFlow::Need TranslationFlow::resolved() {
  has_space_ = true;
  if (const auto fault = front_end_->check_input(request_, step_.space)) return block(*fault);
  if (step_.space.pass_through || request_.address_type == AddressType::Translated) {
    return finish_at(request_.address, &step_.space);
  }
  return need_ = Need::IotlbLookup;
}

TranslationFlow::Need TranslationFlow::translation_found(const Mapping& mapping) {
  mapping_ = mapping;
  mapping_valid_ = true;
  used_table_ = true;
  const AddressSpace& space = step_.space;
  if (!space.permits(mapping.permissions, request_.wanted(), request_.zero_length)) {
    return block(front_end_->fault(missing_permission(mapping.permissions, request_.wanted()), space));
  }
  return finish_at(mapping.output(request_.address), &space);
}

TranslationFlow::Need TranslationFlow::walked(const WalkOutcome& outcome) {
  if (const Mapping* mapping = std::get_if<Mapping>(&outcome)) return translation_found(*mapping);
  used_table_ = true;
  return block(front_end_->fault(std::get<FaultCause>(outcome), step_.space));
}

TranslationFlow::Need TranslationFlow::finish_at(Address host, const AddressSpace* space) {
  if (const auto fault = front_end_->check_output(request_, space, host)) return block(*fault);
  host_ = host;
  route_ = request_.zero_length ? Route::NoData : Route::Memory;
  return need_ = Need::Done;
}

TranslationFlow::Need TranslationFlow::block(const Fault& fault) {
  fault_ = fault;
  route_ = Route::Blocked;
  return need_ = Need::Done;
}

}  // namespace iommu::core
